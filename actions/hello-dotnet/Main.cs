using System.Text.Json.Nodes;

/// <summary>Greets whoever the argument names.</summary>
public static class Hello
{
    public static JsonObject Main(JsonObject args)
    {
        string name = (string)args["name"] ?? "World";

        return new JsonObject { ["greeting"] = $"Hello, {name}!" };
    }
}
