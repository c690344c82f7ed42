import com.google.gson.JsonObject;

/** Greets whoever the argument names. */
public class Main {
    public static JsonObject main(JsonObject args) {
        String name = args.has("name") ? args.get("name").getAsString() : "World";
        JsonObject answer = new JsonObject();

        answer.addProperty("greeting", "Hello, " + name + "!");
        return answer;
    }
}
