package whiskloop;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;

/** Requests as they come, and which of them are cancelled by control lines. */
final class Lines {
    private static final int AHEAD_MAX = 256; // lines; the proxy writes no more than 64
    private static final String CANCEL = "cancel ";

    private final InputStream in;
    private final boolean hasControl; // false in a shell, which writes no control lines
    private final byte[] bytes = new byte[1 << 16]; // bytes that were read
    private int nextByte;
    private int endOfBytes;
    private ByteArrayOutputStream line = new ByteArrayOutputStream(1024); // start of an unfinished line
    private final Deque<byte[]> ahead = new ArrayDeque<>();
    private final Set<Long> cancelled = new HashSet<>(); // of this request and those in `ahead`
    private long number; // number of the last request handed out

    Lines(InputStream in, boolean hasControl) {
        this.in = in;
        this.hasControl = hasControl;
    }

    /** The next request without its newline. null: the input has ended. */
    byte[] next() throws IOException {
        byte[] next = ahead.poll();

        while (next == null) {
            next = cut();
            if (next != null && isControl(next)) {
                next = null;
            } else if (next == null && !fill()) {
                next = line.size() > 0 ? line.toByteArray() : null;
                line.reset();
                break;
            }
        }
        cancelled.removeIf(past -> past <= number);
        number++;
        return next;
    }

    /** Whether nobody waits for the running activation, as far as lines were read. */
    boolean isCancelled() {
        return cancelled.contains(number);
    }

    /** Reads the available input without waiting. */
    void lookAhead() throws IOException {
        while (ahead.size() < AHEAD_MAX) {
            byte[] next = cut();

            if (next == null && (in.available() == 0 || !fill())) {
                break;
            }
            if (next != null && !isControl(next)) {
                ahead.add(next);
            }
        }
    }

    /** Whether a line is a control line, not a request. Remembers what it cancels. */
    private boolean isControl(byte[] next) {
        String text = hasControl && next.length < 32 && next.length > 0 && next[0] == 'c'
                ? new String(next, StandardCharsets.ISO_8859_1) : "";
        boolean is = text.matches("cancel [0-9]{1,18}");

        if (is) {
            cancelled.add(Long.parseLong(text.substring(CANCEL.length())));
        }
        return is;
    }

    /** The next line among the bytes read. null: it is not complete yet. */
    private byte[] cut() {
        int from = nextByte;
        byte[] whole = null;

        while (nextByte < endOfBytes && bytes[nextByte] != '\n') {
            nextByte++;
        }
        line.write(bytes, from, nextByte - from);
        if (nextByte < endOfBytes) {
            nextByte++; // the newline
            whole = line.toByteArray();
            line = new ByteArrayOutputStream(1024);
        }
        return whole;
    }

    /** false: the input has ended. All bytes that were read are in `line`. */
    private boolean fill() throws IOException {
        nextByte = 0;
        endOfBytes = Math.max(in.read(bytes), 0);
        return endOfBytes > 0;
    }
}
