// Parts - parts of an answer: sent to the proxy as they come, kept in a shell.

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

        private readonly Action<byte[]> send; // null: there is nobody to send to
        private readonly Lines lines;
        private readonly MemoryStream kept = new MemoryStream();
        private readonly CancellationTokenSource source = new CancellationTokenSource();
        private bool isClosed; // what the action left running would send to the next caller

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

        // What a method's parameter of that type gets.
        internal object ArgumentOf(Type type)
        {
            return type == typeof(CancellationToken) ? source.Token
                : Generic(nameof(Sender), type.GetGenericArguments()[0]).Invoke(this, null);
        }

        // All parts of a result that has some, by the type that the method declares; false: it has
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
                (result as IDisposable)?.Dispose(); // the method's own finally
            }
            return true;
        }

        // The answer that is its parts alone.
        internal byte[] End()
        {
            return send != null ? new[] { (byte)'+' }
                : Encoding.UTF8.GetBytes("[").Concat(kept.ToArray()).Append((byte)']').ToArray();
        }

        // No part leaves after this.
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
