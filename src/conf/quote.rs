//! Words of a `redis.conf` and of a systemd unit, quoted where they need it.

/// Options that take several words. All others take one, so their value is quoted as a whole.
const SEVERAL_WORDS: [&str; 8] = [
    "bind",
    "client-output-buffer-limit",
    "latency-tracking-info-percentiles",
    "oom-score-adj-values",
    "save",
    "shutdown-on-sigint",
    "shutdown-on-sigterm",
    "user",
];

/// The lines that give an option its value.
pub(super) fn option_lines(option: &str, value: &str) -> Vec<String> {
    // Redis 6.2 takes one pair of `save` and one class of buffer limits a line; later servers take both forms.
    let words: Vec<&str> = value.split_whitespace().collect();
    let group = match option {
        "save" => 2,
        "client-output-buffer-limit" => 4,
        _ => words.len(),
    };
    if words.is_empty() || !SEVERAL_WORDS.contains(&option) {
        return vec![format!("{option} {}", conf_word(value))];
    }
    words
        .chunks(group)
        .map(|chunk| {
            let quoted: Vec<String> = chunk.iter().map(|word| conf_word(word)).collect();
            format!("{option} {}", quoted.join(" "))
        })
        .collect()
}

/// One word of a `redis.conf`, as the server's own reader splits its lines.
#[must_use]
pub fn conf_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// One word of an `ExecStart=` line, where `%` and `$` start something and the rest is as in C.
pub(super) fn unit_word(text: &str) -> String {
    let text = text.replace('%', "%%").replace('$', "$$");
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b';'))
    {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_the_server_would_split() {
        let table = [
            ("15000", "15000"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"back\slash", r#""back\\slash""#),
            ("#start", r##""#start""##),
            ("tab\tand\nline", r#""tab\tand\nline""#),
            ("größe", r#""größe""#),
        ];
        for (text, expected) in table {
            assert_eq!(conf_word(text), expected);
        }
    }

    #[test]
    fn splits_options_of_several_words_into_lines_for_6_2() {
        let table: [(&str, &str, &[&str]); 6] = [
            ("save", "900 1 300 10", &["save 900 1", "save 300 10"]),
            ("save", "", &[r#"save """#]),
            (
                "client-output-buffer-limit",
                "normal 0 0 0 pubsub 32mb 8mb 60",
                &[
                    "client-output-buffer-limit normal 0 0 0",
                    "client-output-buffer-limit pubsub 32mb 8mb 60",
                ],
            ),
            (
                "oom-score-adj-values",
                "0 200 800",
                &["oom-score-adj-values 0 200 800"],
            ),
            (
                "tls-protocols",
                "TLSv1.2 TLSv1.3",
                &[r#"tls-protocols "TLSv1.2 TLSv1.3""#],
            ),
            ("maxmemory", "8gb", &["maxmemory 8gb"]),
        ];
        for (option, value, expected) in table {
            assert_eq!(option_lines(option, value), expected);
        }
    }

    #[test]
    fn quotes_words_of_a_unit() {
        let table = [
            ("/usr/bin/redis-server", "/usr/bin/redis-server"),
            ("/srv/50%/a", "/srv/50%%/a"),
            ("/srv/$HOME/a b", r#""/srv/$$HOME/a b""#),
            (r#"/srv/"x""#, r#""/srv/\"x\"""#),
        ];
        for (text, expected) in table {
            assert_eq!(unit_word(text), expected);
        }
    }
}
