// Acknowledges nothing; an error is an object and, behind it, a blank line. Without crates: of the JSON it cuts out the
// members that it needs, which are texts without escapes, and passes values on as they came.
use std::env;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::io::FromRawFd;
use std::process;

// Where the JSON value that begins at `from` ends.
fn value_end(text: &str, from: usize) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);

    for (at, byte) in text.bytes().enumerate().skip(from) {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            if !quoted && depth == 0 {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' => return if depth == 1 { at + 1 } else { at },
            b',' if depth == 0 => return at,
            _ => (),
        }
    }
    text.len()
}

// The members of an object, as texts.
fn members(object: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 1;

    while let Some(quote) = object[at..].find('"') {
        let name = at + quote;
        let name_ends = value_end(object, name);
        let value = name_ends + object[name_ends..].find(':').unwrap() + 1;
        let value = value + object[value..].find(|c| c != ' ').unwrap();
        let ends = value_end(object, value);
        found.push((&object[name + 1..name_ends - 1], &object[value..ends]));
        at = ends;
    }
    found
}

fn member<'a>(object: &'a str, name: &str) -> &'a str {
    let found = if object.starts_with('{') { members(object) } else { Vec::new() };
    found.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.trim_matches('"'))
}

fn action(args: &str) -> Result<String, String> {
    match member(args, "do") {
        "log" => {
            println!("hello stdout");
            eprintln!("hello stderr");
        }
        "unicode" => {
            let winter = format!("{0} ☃ {0}", member(args, "mark"));
            println!("{}", winter);
            return Ok(format!("{{\"winter\":\"{}\"}}", winter));
        }
        "env" => {
            let of = |name| env::var(name).unwrap_or_default();
            return Ok(format!("{{\"env\":\"{}\",\"init\":\"{}\"}}", of("__OW_ACTIVATION_ID"), of("SOME_VAR")));
        }
        "error" => return Ok("{\"error\":\"sorry\"}".to_string()),
        "throw" => return Err("nooooo".to_string()),
        "text" => return Ok("\"no dictionary\"".to_string()),
        "array" => return Ok("[\"a\",\"b\"]".to_string()),
        "exit" => process::exit(3),
        _ => (),
    }
    Ok(args.to_string())
}

fn main() {
    let mut answers = unsafe { File::from_raw_fd(3) };

    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let mut value = "{}";
        for (key, field) in members(&line) {
            if key == "value" {
                value = field;
            } else {
                env::set_var(format!("__OW_{}", key.to_uppercase()), field.trim_matches('"'));
            }
        }
        match action(value) {
            Ok(text) => writeln!(answers, "{}", text).unwrap(),
            Err(text) => {
                eprintln!("{}", text);
                writeln!(answers, "{{\"error\":\"{}\"}}\n", text).unwrap();
            }
        }
        io::stdout().flush().unwrap();
    }
}
