def main(args)
  name = args.fetch('name', 'World')
  puts "greeting #{name}"
  { greeting: "Hello, #{name}!" }
end
