// Action - the user's method, found by the main of the /init: "Assembly::Type::Method".
//
// "Type::Method" and "Type" mean the same in the assembly that was compiled from source. "main" or
// an empty name means the only type there with a method Main. The method is public. It takes the
// argument and optionally an Action<T> that sends parts of the answer, and a CancellationToken.
// If the method is not static, each activation gets a new object, as in Apache's runtime.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;

namespace Whiskloop
{
    // Its message is enough, without a trace. IsTold: the client may read it, too, like the reasons
    // that Apache's runtime answers.
    internal sealed class CannotStart : Exception
    {
        internal readonly bool IsTold;

        internal CannotStart(string message, bool isTold = false) : base(message)
        {
            IsTold = isTold;
        }
    }

    internal sealed class Action
    {
        private const string FromSource = "action"; // the assembly that compile.sh makes
        private const string MethodName = "Main";

        internal readonly string Name; // the method's name
        private readonly MethodInfo forArrays;
        private readonly MethodInfo forOthers;
        private readonly Type type;

        internal Action(string folder, string main)
        {
            string[] parts = main.Split(new[] { "::" }, StringSplitOptions.None);
            string file = Path.Combine(folder, (parts.Length == 3 ? parts[0] : FromSource) + ".dll");
            string name = parts[parts.Length == 3 ? 1 : 0];
            string method = parts.Length > 1 ? parts[parts.Length - 1] : MethodName;
            MethodInfo[] methods;
            Assembly assembly;

            if (parts.Length > 3 || (parts.Length < 3 && !File.Exists(file)))
            {
                throw new CannotStart("main required format is \"Assembly::Type::Function\".", true);
            }
            if (!File.Exists(file))
            {
                throw Unable("requested assembly", parts[0] + ".dll", parts);
            }
            assembly = Load(file);
            Name = method;
            type = name == "" || name == "main" ? Only(assembly, method) : assembly.GetType(name);
            if (type == null)
            {
                throw Unable("requested type", name, parts);
            }
            methods = Methods(type, method);
            if (methods.Length == 0)
            {
                throw Unable("requested method", method, parts);
            }
            forArrays = methods.FirstOrDefault(one => TakesArrays(one)) ?? methods[0];
            forOthers = methods.FirstOrDefault(one => !TakesArrays(one)) ?? methods[0];
            RuntimeHelpers.RunClassConstructor(type.TypeHandle); // what fails while loading, fails now
            if (methods.Any(one => !one.IsStatic) && !type.IsValueType
                && (type.IsAbstract || type.GetConstructor(Type.EmptyTypes) == null))
            {
                throw Unable("appropriate constructor for", type.FullName, parts);
            }
        }

        // One method, or several: "Type::predict,train". A name without "::" is a method of the
        // type before it.
        internal static List<Action> All(string folder, string main)
        {
            List<Action> all = new List<Action>();
            string type = "";

            foreach (string one in main.Split(','))
            {
                int at = one.LastIndexOf("::", StringComparison.Ordinal);
                string name = one;

                if (at >= 0)
                {
                    type = one.Substring(0, at);
                }
                else if (main.IndexOf(',') >= 0)
                {
                    name = type + "::" + one;
                }
                all.Add(new Action(folder, name));
            }
            return all;
        }

        private static CannotStart Unable(string what, string name, string[] main)
        {
            return new CannotStart("Unable to locate " + what + " (\"" + name + "\").", main.Length == 3);
        }

        // The method's result as JSON. If it returns a Task or ValueTask, the result of that.
        internal byte[] Call(JsonElement value, Parts parts)
        {
            MethodInfo method = value.ValueKind == JsonValueKind.Array ? forArrays : forOthers;
            ParameterInfo[] takes = method.GetParameters();
            object[] arguments = new object[takes.Length];
            object result;
            Type returns;

            arguments[0] = Values.As(value, takes[0].ParameterType);
            for (int i = 1; i < takes.Length; i++)
            {
                arguments[i] = parts.ArgumentOf(takes[i].ParameterType);
            }
            result = method.Invoke(method.IsStatic ? null : Activator.CreateInstance(type), arguments);
            returns = method.ReturnType;
            if (returns == typeof(ValueTask)
                || (returns.IsGenericType && returns.GetGenericTypeDefinition() == typeof(ValueTask<>)))
            {
                MethodInfo asTask = returns.GetMethod(nameof(ValueTask.AsTask));

                result = asTask.Invoke(result, null);
                returns = asTask.ReturnType;
            }
            if (result is Task)
            {
                Task task = (Task)result;
                PropertyInfo brings = returns.GetProperty("Result");

                task.GetAwaiter().GetResult();
                result = brings == null ? null : brings.GetValue(task);
            }
            if (result != null && parts.Take(result, method.ReturnType))
            {
                return parts.End();
            }
            return result == null && takes.Any(one => Parts.IsSender(one.ParameterType))
                ? parts.End() : Values.Tell(result);
        }

        // Load the assembly. Find its dependencies by its .deps.json, else beside it and in lib/.
        private static Assembly Load(string file)
        {
            AssemblyDependencyResolver beside = Resolver(file);
            string folder = Path.GetDirectoryName(file);

            AssemblyLoadContext.Default.Resolving += (context, wanted) =>
            {
                string[] paths =
                {
                    beside?.ResolveAssemblyToPath(wanted), Path.Combine(folder, wanted.Name + ".dll"),
                    Path.Combine(folder, "lib", wanted.Name + ".dll"),
                };
                string path = paths.FirstOrDefault(File.Exists);

                return path != null ? context.LoadFromAssemblyPath(path) : null;
            };
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += (assembly, wanted) =>
            {
                string path = beside?.ResolveUnmanagedDllToPath(wanted);

                return path == null ? IntPtr.Zero : NativeLibrary.Load(path);
            };
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
        }

        // .NET's own reader of a .deps.json ends the process if that file has no runtimeTarget.
        private static AssemblyDependencyResolver Resolver(string file)
        {
            string list = Path.ChangeExtension(file, ".deps.json");

            try
            {
                return !File.Exists(list) || Values.Read(File.ReadAllBytes(list)).TryGetProperty("runtimeTarget", out _)
                    ? new AssemblyDependencyResolver(file) : null;
            }
            catch (Exception fault) when (fault is JsonException || fault is InvalidOperationException)
            {
                return null;
            }
        }

        private static MethodInfo[] Methods(Type type, string name)
        {
            return type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance)
                .Where(one => one.Name == name && !one.ContainsGenericParameters && CanBeCalled(one.GetParameters()))
                .ToArray();
        }

        private static bool CanBeCalled(ParameterInfo[] parameters)
        {
            return parameters.Length > 0 && parameters.Skip(1).All(
                one => one.ParameterType == typeof(CancellationToken) || Parts.IsSender(one.ParameterType));
        }

        private static Type Only(Assembly assembly, string method)
        {
            Type[] found = assembly.GetTypes().Where(one => Methods(one, method).Length > 0).ToArray();

            if (found.Length != 1)
            {
                throw new CannotStart((found.Length == 0 ? "no type has" : "more than one type has")
                    + " a public method " + method + " with one parameter; main has to name it: Type::Method");
            }
            return found[0];
        }

        private static bool TakesArrays(MethodInfo method)
        {
            Type type = method.GetParameters()[0].ParameterType;

            return type == typeof(JsonArray) || type.IsArray || type.Name == "JArray"
                || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>));
        }
    }
}
