using System;
using System.Text.Json.Nodes;

public static class Hello
{
    public static JsonObject Main(JsonObject args)
    {
        string name = (string)args["name"] ?? "World";

        Console.WriteLine($"greeting {name}");
        return new JsonObject { ["greeting"] = $"Hello, {name}!" };
    }
}
