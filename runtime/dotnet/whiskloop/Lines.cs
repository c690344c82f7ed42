// Lines - the requests in a stream, of any length, and which of them are cancelled by control
// lines.

using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;

namespace Whiskloop
{
    internal sealed class Lines
    {
        private const int AheadMax = 256; // lines; the proxy writes no more than 64
        private const short Readable = 1; // POLLIN
        private const string Cancel = "cancel ";

        private readonly Stream stream;
        private readonly int descriptor; // the stream's descriptor
        private readonly bool hasControl; // false in a shell, which writes no control lines
        private readonly byte[] bytes = new byte[1 << 16]; // bytes that were read
        private readonly Queue<byte[]> ahead = new Queue<byte[]>();
        private readonly HashSet<long> cancelled = new HashSet<long>(); // of this request and those in `ahead`
        private MemoryStream line = new MemoryStream(); // the start of an unfinished line
        private int next;
        private int end;
        private long number; // number of the last request handed out

        internal Lines(Stream stream, int descriptor, bool hasControl)
        {
            this.stream = stream;
            this.descriptor = descriptor;
            this.hasControl = hasControl;
        }

        // Whether nobody waits for the running activation, as far as lines were read.
        internal bool IsCancelled => cancelled.Contains(number);

        [StructLayout(LayoutKind.Sequential)]
        private struct PollDescriptor
        {
            internal int Descriptor;
            internal short Wanted;
            internal short Found;
        }

        [DllImport("libc", EntryPoint = "poll", SetLastError = true)]
        private static extern int Poll(ref PollDescriptor one, UIntPtr count, int milliseconds);

        // The next request without its newline. null: the input has ended.
        internal byte[] Next()
        {
            byte[] whole = ahead.Count > 0 ? ahead.Dequeue() : CutRequest();

            while (whole == null && Fill())
            {
                whole = CutRequest();
            }
            if (whole == null && line.Length > 0)
            {
                whole = line.ToArray();
                line = new MemoryStream();
            }
            cancelled.RemoveWhere(past => past <= number);
            number++;
            return whole;
        }

        // Reads the available input without waiting.
        internal void LookAhead()
        {
            while (ahead.Count < AheadMax)
            {
                byte[] whole = CutRequest();

                if (whole != null)
                {
                    ahead.Enqueue(whole);
                }
                else if (!HasInput() || !Fill())
                {
                    break;
                }
            }
        }

        // Whether a line is a control line, not a request. Remembers what it cancels.
        private bool IsControl(byte[] whole)
        {
            long cancels;

            if (!hasControl || whole.Length <= Cancel.Length || whole.Length >= 32 || whole[0] != 'c')
            {
                return false;
            }
            string text = Encoding.ASCII.GetString(whole);

            if (!text.StartsWith(Cancel, StringComparison.Ordinal)
                || !long.TryParse(text.Substring(Cancel.Length), out cancels))
            {
                return false;
            }
            cancelled.Add(cancels);
            return true;
        }

        // The next request among the bytes read. null: it is not complete yet.
        private byte[] CutRequest()
        {
            byte[] whole = Cut();

            while (whole != null && IsControl(whole))
            {
                whole = Cut();
            }
            return whole;
        }

        private bool HasInput()
        {
            PollDescriptor one = new PollDescriptor { Descriptor = descriptor, Wanted = Readable };

            return Poll(ref one, (UIntPtr)1, 0) == 1;
        }

        // The next line among the bytes read. null: it is not complete yet.
        private byte[] Cut()
        {
            int newline = Array.IndexOf(bytes, (byte)'\n', next, end - next);
            byte[] whole;

            if (newline < 0)
            {
                line.Write(bytes, next, end - next);
                next = end;
                return null;
            }
            line.Write(bytes, next, newline - next);
            next = newline + 1;
            whole = line.ToArray();
            line.SetLength(0);
            return whole;
        }

        // false: the input has ended. All bytes that were read are in `line`.
        private bool Fill()
        {
            next = 0;
            end = 0;
            end = stream.Read(bytes, 0, bytes.Length);
            return end > 0;
        }
    }
}
