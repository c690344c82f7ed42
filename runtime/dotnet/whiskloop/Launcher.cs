// Launcher - loads an action once, then answers lines: runtime/README.md, The line protocol.
//
// Launcher FOLDER MAIN: activations come on descriptor 4, answers leave on 3. launch.sh arranges
// that, because .NET cannot. C# 7.3 and .NET's own libraries only, so that any SDK from 6 on can.

using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Whiskloop
{
    internal static class Launcher
    {
        private const string Ready = "{\"ok\":true,\"pipeline\":64,\"parts\":true,\"control\":true}";
        private const int SetFlags = 2;    // F_SETFD of fcntl()
        private const int CloseOnExec = 1; // FD_CLOEXEC

        private static readonly JsonElement Nothing = JsonDocument.Parse("{}").RootElement;

        [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
        private static extern int Control(int descriptor, int command, int argument);

        private static int Main(string[] args)
        {
            bool waits = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("__OW_WAIT_FOR_ACK"));
            Lines lines = new Lines(Own(4, FileAccess.Read), 4, waits);
            Stream answers = Own(3, FileAccess.Write);
            Action<byte[]> send = null;
            List<Action> actions;

            // Text is UTF-8 in any locale, and each printed line reaches the log at once.
            Console.SetOut(Log(Console.OpenStandardOutput()));
            Console.SetError(Log(Console.OpenStandardError()));
            try
            {
                actions = Action.All(args[0], args[1]);
            }
            catch (Exception fault)
            {
                CannotStart reason = fault as CannotStart;

                Console.Error.WriteLine(reason != null ? reason.Message : Cause(fault).ToString());
                Flush();
                if (waits && reason != null && reason.IsTold)
                {
                    Write(answers, Values.Refusal(reason.Message));
                }
                Environment.Exit(1); // ends threads of the action, too
                return 1;
            }
            Flush();
            try
            {
                if (waits)
                {
                    send = part => Send(answers, part);
                    Write(answers, Encoding.UTF8.GetBytes(Ready));
                }
                for (byte[] line = lines.Next(); line != null; line = lines.Next())
                {
                    Parts parts = new Parts(lines, send);
                    byte[] answer = Answer(actions, line, parts, waits);

                    parts.Close();
                    Flush(); // log first, because the answer ends the activation
                    Write(answers, answer);
                }
            }
            catch (IOException)
            {
                Environment.Exit(1); // nobody reads the answers any more
            }
            Environment.Exit(0); // do not wait for threads of the action
            return 0;
        }

        // A descriptor that we were started with. Children of the action do not inherit it.
        private static Stream Own(int descriptor, FileAccess access)
        {
            if (Control(descriptor, SetFlags, CloseOnExec) < 0)
            {
                throw new IOException("descriptor " + descriptor + " is not open; launch.sh opens it");
            }
            return new FileStream(new SafeFileHandle((IntPtr)descriptor, true), access, 1);
        }

        private static TextWriter Log(Stream stream)
        {
            return TextWriter.Synchronized(new StreamWriter(stream, new UTF8Encoding(false)) { AutoFlush = true });
        }

        private static void Flush()
        {
            foreach (TextWriter log in new[] { Console.Out, Console.Error })
            {
                try
                {
                    log.Flush();
                }
                catch (ObjectDisposedException)
                {
                    continue; // the action has closed it, so no text waits there
                }
            }
        }

        private static void Send(Stream answers, byte[] part)
        {
            Flush();
            Write(answers, Marked('+', part));
        }

        private static byte[] Marked(char mark, byte[] text)
        {
            byte[] marked = new byte[text.Length + 1];

            marked[0] = (byte)mark;
            text.CopyTo(marked, 1);
            return marked;
        }

        private static void Write(Stream answers, byte[] answer)
        {
            byte[] line = new byte[answer.Length + 1];

            answer.CopyTo(line, 0);
            line[answer.Length] = (byte)'\n';
            answers.Write(line, 0, line.Length); // one write; the stream has no buffer to flush
        }

        private static Exception Cause(Exception fault)
        {
            return fault is TargetInvocationException && fault.InnerException != null
                ? fault.InnerException : fault;
        }

        // The function that the member "method" names. null: no function has that name.
        private static Action Choose(List<Action> actions, JsonElement request, out JsonElement method)
        {
            JsonElement wanted;

            if (actions.Count < 2 || !request.TryGetProperty("method", out method)
                || method.ValueKind == JsonValueKind.Null)
            {
                method = Nothing;
                return actions[0];
            }
            wanted = method;
            return actions.Find(one => wanted.ValueKind == JsonValueKind.String && wanted.ValueEquals(one.Name));
        }

        private static byte[] Answer(List<Action> actions, byte[] line, Parts parts, bool marks)
        {
            JsonElement request;
            JsonElement method;
            JsonElement value;
            Action action;

            try
            {
                request = Values.Read(line);
            }
            catch (JsonException fault)
            {
                return Values.Error("the line is no JSON: " + fault.Message);
            }
            if (request.ValueKind == JsonValueKind.Null)
            {
                request = Nothing;
            }
            if (request.ValueKind != JsonValueKind.Object)
            {
                return Values.Error("the line is no JSON object");
            }
            action = Choose(actions, request, out method);
            if (action == null)
            {
                return Values.Error("method not found: " + Values.Text(method) + "; want "
                    + string.Join(", ", actions.ConvertAll(one => one.Name)));
            }
            try
            {
                Metadata.Show(request);
                if (!request.TryGetProperty("value", out value) || value.ValueKind == JsonValueKind.Null)
                {
                    value = Nothing;
                }
                return action.Call(value, parts);
            }
            catch (Exception fault) when (Cause(fault) is OperationCanceledException && parts.IsCancelled)
            {
                return Values.Error("the client has left");
            }
            catch (Exception fault)
            {
                return Failure(Cause(fault), marks);
            }
        }

        // A failure of the method is a developer error, as in Apache's runtime: mark its answer.
        private static byte[] Failure(Exception fault, bool marks)
        {
            byte[] error;

            try
            {
                Console.Error.WriteLine(fault); // type, message and trace
            }
            catch (Exception)
            {
                // stderr is closed, or the fault cannot be printed. The answer still has it.
            }
            try
            {
                error = Values.Error(fault.Message);
            }
            catch (Exception)
            {
                error = Values.Error(fault.GetType().FullName); // its own text cannot be made
            }
            return marks ? Marked('!', error) : error;
        }
    }
}
