// Metadata - an activation's members other than its value, as environment variables.

using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;

namespace Whiskloop
{
    internal static class Metadata
    {
        // Keys that the platform, or the proxy from a client's headers, sends: these are always shown.
        private static readonly HashSet<string> Platform = new HashSet<string>
        {
            "namespace", "action_name", "action_version", "activation_id", "transaction_id", "deadline",
            "api_host", "api_key", "traceparent", "tracestate",
        };

        private const int OthersMax = 256; // most other keys shown, as in every language
        private const int KeyMax = 1024; // characters

        // What each variable was at the start; null: it was not set.
        private static readonly Dictionary<string, string> Before = new Dictionary<string, string>();

        // Set the variables of this line, and restore those that only the line before had.
        internal static void Show(JsonElement request)
        {
            Dictionary<string, string> wanted = new Dictionary<string, string>();
            int others = 0;

            foreach (JsonProperty member in request.EnumerateObject())
            {
                Add(wanted, member, ref others);
            }
            foreach (string name in new List<string>(Before.Keys))
            {
                if (!wanted.ContainsKey(name))
                {
                    Environment.SetEnvironmentVariable(name, Before[name]);
                    Before.Remove(name);
                }
            }
            foreach (KeyValuePair<string, string> variable in wanted)
            {
                if (!Before.ContainsKey(variable.Key))
                {
                    Before[variable.Key] = Environment.GetEnvironmentVariable(variable.Key);
                }
                Environment.SetEnvironmentVariable(variable.Key, variable.Value);
            }
        }

        private static void Add(Dictionary<string, string> wanted, JsonProperty member, ref int others)
        {
            string name;
            string text;

            try
            {
                name = member.Name;
                if (name == "value" || name.Length > KeyMax || (!Platform.Contains(name) && others++ >= OthersMax))
                {
                    return;
                }
                name = "__OW_" + Upper(name);
                text = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()
                    : member.Value.ValueKind == JsonValueKind.Null ? "" : Values.Text(member.Value);
            }
            catch (InvalidOperationException)
            {
                return; // half a surrogate pair cannot be a variable
            }
            if (name.IndexOf('=') < 0 && name.IndexOf('\0') < 0 && text.IndexOf('\0') < 0)
            {
                wanted[name] = text;
            }
        }

        // Converts only the letters a to z, in any locale.
        private static string Upper(string text)
        {
            StringBuilder upper = new StringBuilder(text);

            for (int i = 0; i < upper.Length; i++)
            {
                if (upper[i] >= 'a' && upper[i] <= 'z')
                {
                    upper[i] = (char)(upper[i] - 'a' + 'A');
                }
            }
            return upper.ToString();
        }
    }
}
