// Parts - parts of an answer: sent to the proxy at once, or kept in a shell.

using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Threading;

namespace Whiskloop
{
    internal sealed class Parts
    {
        private const int ListMax = 64 << 20; // bytes of parts that are kept

        private readonly Action<byte[]> send; // null: in a shell, where parts are kept
        private readonly Lines lines;
        private readonly MemoryStream kept = new MemoryStream();
        private readonly CancellationTokenSource source = new CancellationTokenSource();
        private bool isClosed; // then code that the action left running can send no more

        internal Parts(Lines lines, Action<byte[]> send)
        {
            this.lines = lines;
            this.send = send;
        }

        internal bool IsCancelled => lines.IsCancelled;

        internal static bool IsSender(Type type)
        {
            return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Action<>);
        }

        // The argument for a method's parameter of that type.
        internal object ArgumentOf(Type type)
        {
            return type == typeof(CancellationToken) ? source.Token
                : Generic(nameof(Sender), type.GetGenericArguments()[0]).Invoke(this, null);
        }

        // Takes all parts of a result, if the method's declared type has parts. false: it has
        // none.
        internal bool Take(object result, Type type)
        {
            Type kind = type.IsGenericType ? type.GetGenericTypeDefinition() : type;

            if (kind == typeof(IAsyncEnumerable<>))
            {
                try
                {
                    Generic(nameof(TakeLater), type.GetGenericArguments()[0]).Invoke(this, new[] { result });
                }
                catch (TargetInvocationException fault)
                {
                    System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(fault.InnerException).Throw();
                }
                return true;
            }
            if (kind == typeof(IEnumerable<>) || kind == typeof(IEnumerable))
            {
                result = ((IEnumerable)result).GetEnumerator();
            }
            else if (kind != typeof(IEnumerator<>) && kind != typeof(IEnumerator))
            {
                return false;
            }
            try
            {
                while (((IEnumerator)result).MoveNext())
                {
                    Send(((IEnumerator)result).Current);
                }
            }
            finally
            {
                (result as IDisposable)?.Dispose(); // runs the method's finally
            }
            return true;
        }

        // The answer when there is no result but the parts.
        internal byte[] End()
        {
            return send != null ? new[] { (byte)'+' }
                : Encoding.UTF8.GetBytes("[").Concat(kept.ToArray()).Append((byte)']').ToArray();
        }

        // No part is sent after this.
        internal void Close()
        {
            lock (kept)
            {
                isClosed = true;
            }
        }

        private MethodInfo Generic(string name, Type type)
        {
            return GetType().GetMethod(name, BindingFlags.NonPublic | BindingFlags.Instance).MakeGenericMethod(type);
        }

        private Action<T> Sender<T>()
        {
            return part => Send(part);
        }

        private void TakeLater<T>(IAsyncEnumerable<T> all)
        {
            IAsyncEnumerator<T> one = all.GetAsyncEnumerator(source.Token);

            try
            {
                while (one.MoveNextAsync().AsTask().GetAwaiter().GetResult())
                {
                    Send(one.Current);
                }
            }
            finally
            {
                one.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }
        }

        private void Send(object part)
        {
            byte[] text = part == null ? Encoding.UTF8.GetBytes("null") : Values.Tell(part);

            lock (kept)
            {
                if (isClosed)
                {
                    throw new OperationCanceledException("the activation is over");
                }
                if (send == null)
                {
                    Keep(text);
                    return;
                }
                send(text);
                lines.LookAhead();
                if (!lines.IsCancelled)
                {
                    return;
                }
            }
            source.Cancel();
            throw new OperationCanceledException("the client has left", source.Token);
        }

        private void Keep(byte[] text)
        {
            if (kept.Length + text.Length > ListMax)
            {
                throw new InvalidOperationException("a list of the parts is longer than " + ListMax + " bytes");
            }
            if (kept.Length > 0)
            {
                kept.WriteByte((byte)',');
            }
            kept.Write(text, 0, text.Length);
        }
    }
}
