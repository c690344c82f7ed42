package whiskloop;

import com.google.gson.JsonElement;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.stream.BaseStream;

/**
 * Parts of an answer: what the action gives this consumer, or what the Iterator or Stream that it
 * returns produces. Sent at once, or kept in a shell. Once the caller has left, accept() throws a
 * CancellationException.
 */
final class Parts implements Consumer<Object> {
    private static final int LIST_MAX = 64 << 20; // characters of parts that are kept

    private final Launcher launcher;
    private StringBuilder kept;
    private boolean isClosed; // then threads that the action left running can send no more

    Parts(Launcher launcher) {
        this.launcher = launcher;
    }

    @Override
    public synchronized void accept(Object part) {
        if (!(part instanceof JsonElement)) {
            throw new ClassCastException("a part is " + (part == null ? "null" : "a " + part.getClass().getName())
                    + ", which is no JsonElement");
        }
        if (isClosed) {
            throw new CancellationException("the activation is over");
        }
        try {
            String text = launcher.json((JsonElement) part);

            if (!launcher.send(text)) {
                keep(text);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void keep(String part) {
        if (kept == null) {
            kept = new StringBuilder();
        }
        if (kept.length() + part.length() > LIST_MAX) {
            throw new IllegalStateException("a list of the parts is longer than " + LIST_MAX + " characters");
        }
        kept.append(kept.length() == 0 ? "" : ",").append(part);
    }

    /** Takes all parts of a result that has parts. false: it has none. */
    boolean take(Object result) {
        if (result instanceof BaseStream) {
            try (BaseStream<?, ?> stream = (BaseStream<?, ?>) result) { // so that its onClose() runs
                stream.iterator().forEachRemaining(this);
            }
        } else if (result instanceof Iterator) {
            ((Iterator<?>) result).forEachRemaining(this);
        } else {
            return false;
        }
        return true;
    }

    /** No part is sent after this. */
    synchronized void close() {
        isClosed = true;
    }

    /** The answer when there is no result but the parts. No part is sent after this. */
    String end() {
        close();
        return launcher.hasProxy() ? "+" : "[" + (kept == null ? "" : kept) + "]";
    }
}
