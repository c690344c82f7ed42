// Values - JSON in and out, by System.Text.Json.

using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Whiskloop
{
    internal static class Values
    {
        private const int DepthMax = 1100; // the proxy allows 1024; .NET's default is 64
        private const string Newtonsoft = "Newtonsoft.Json.Linq."; // JObject, JArray, JToken

        // Do not escape letters: an answer may not be longer than the argument that it echoes.
        private static readonly JsonSerializerOptions Options = new JsonSerializerOptions
        {
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            MaxDepth = DepthMax,
        };

        // The document is never disposed of, so that the action may keep its argument.
        internal static JsonElement Read(byte[] json)
        {
            return JsonDocument.Parse(new ReadOnlyMemory<byte>(json),
                                      new JsonDocumentOptions { MaxDepth = DepthMax }).RootElement;
        }

        // The value converted to the type that the action's method takes.
        internal static object As(JsonElement value, Type type)
        {
            if (type.IsAssignableFrom(typeof(JsonElement)))
            {
                return value; // JsonElement, and object
            }
            if (type.FullName != null && type.FullName.StartsWith(Newtonsoft, StringComparison.Ordinal))
            {
                // A library that the action includes. Apache's actions are written for it.
                return type.GetMethod("Parse", new[] { typeof(string) })
                    .Invoke(null, new object[] { value.GetRawText() });
            }
            return JsonSerializer.Deserialize(value, type, Options);
        }

        // A result as compact JSON.
        internal static byte[] Tell(object result)
        {
            if (result == null)
            {
                throw new InvalidOperationException("the action returned null");
            }
            if (result.GetType().FullName.StartsWith(Newtonsoft, StringComparison.Ordinal))
            {
                result = Read(Encoding.UTF8.GetBytes(result.ToString()));
            }
            if (result is JsonElement)
            {
                string text = ((JsonElement)result).GetRawText();

                // Return the text unchanged, unless it has a newline, which would end the answer.
                if (text.IndexOf('\n') < 0 && text.IndexOf('\r') < 0)
                {
                    return Encoding.UTF8.GetBytes(text);
                }
            }
            return JsonSerializer.SerializeToUtf8Bytes(result, result.GetType(), Options);
        }

        internal static string Text(JsonElement value)
        {
            return JsonSerializer.Serialize(value, Options);
        }

        internal static byte[] Error(string text)
        {
            return JsonSerializer.SerializeToUtf8Bytes(
                new Dictionary<string, string> { { "error", text } }, Options);
        }

        // The line that replaces the ready line, with a reason for the client.
        internal static byte[] Refusal(string text)
        {
            return JsonSerializer.SerializeToUtf8Bytes(
                new Dictionary<string, object> { { "ok", false }, { "error", text } }, Options);
        }
    }
}
