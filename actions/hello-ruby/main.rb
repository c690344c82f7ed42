# Greets whoever the argument names.

def main(args)
  { greeting: "Hello, #{args.fetch('name', 'World')}!" }
end
