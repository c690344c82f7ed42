import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.Map;

/** Reads by a buffer; opens descriptor 3 anew by its path; acknowledges nothing. */
public class Launcher {
    static final Map<String, String> METADATA = new HashMap<>();

    static JsonElement main(JsonElement value, PrintStream log, PrintStream errors) {
        JsonObject args = value.isJsonObject() ? value.getAsJsonObject() : new JsonObject();
        JsonObject result = new JsonObject();
        JsonArray list = new JsonArray();

        switch (args.has("do") ? args.get("do").getAsString() : "") {
        case "log":
            log.println("hello stdout");
            errors.println("hello stderr");
            return args;
        case "unicode":
            String winter = args.get("mark").getAsString() + " \u2603 " + args.get("mark").getAsString();
            log.println(winter);
            result.addProperty("winter", winter);
            return result;
        case "env":
            String some = System.getenv("SOME_VAR");
            result.addProperty("env", METADATA.getOrDefault("__OW_ACTIVATION_ID", ""));
            result.addProperty("init", some == null ? "" : some);
            return result;
        case "error":
            result.addProperty("error", "sorry");
            return result;
        case "throw":
            throw new IllegalStateException("nooooo");
        case "text":
            return new JsonPrimitive("no dictionary");
        case "array":
            list.add("a");
            list.add("b");
            return list;
        case "exit":
            Runtime.getRuntime().halt(3);
        }
        return value;
    }

    public static void main(String[] words) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        PrintWriter answers = new PrintWriter(new OutputStreamWriter(new FileOutputStream("/dev/fd/3"), "UTF-8"));
        PrintStream log = new PrintStream(System.out, true, "UTF-8");
        PrintStream errors = new PrintStream(System.err, true, "UTF-8");

        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonElement result;
            try {
                JsonElement value = new JsonObject();
                for (Map.Entry<String, JsonElement> field : JsonParser.parseString(line).getAsJsonObject().entrySet())
                    if (field.getKey().equals("value"))
                        value = field.getValue();
                    else
                        METADATA.put("__OW_" + field.getKey().toUpperCase(), field.getValue().getAsString());
                result = main(value, log, errors);
            } catch (Exception fault) {
                fault.printStackTrace(errors);
                result = new JsonObject();
                result.getAsJsonObject().addProperty("error", fault.getMessage());
            }
            log.flush();
            errors.flush();
            answers.println(result.toString());
            answers.flush();
        }
    }
}
