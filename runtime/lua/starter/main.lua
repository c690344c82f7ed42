function main(args)
  local name = args.name or "World"

  print("greeting", name)
  return { greeting = "Hello, " .. name .. "!" }
end
