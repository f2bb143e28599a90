//! Rust source taken apart: code without texts, and comments. Enough of a lexer for the checks here.

/// One file's code and comments, each with as many lines as the file.
pub(super) struct Source {
    /// Code; texts, characters and comments are blank.
    pub(super) code: String,
    /// Comments; everything else is blank.
    pub(super) comments: String,
}

impl Source {
    pub(super) fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut source = Self {
            code: String::new(),
            comments: String::new(),
        };
        let mut at = 0;
        while at < chars.len() {
            let (kind, end) = token(&chars, at);
            for &char in &chars[at..end] {
                let blank = if char == '\n' { '\n' } else { ' ' };
                source
                    .code
                    .push(if kind == Kind::Code { char } else { blank });
                source
                    .comments
                    .push(if kind == Kind::Comment { char } else { blank });
            }
            at = end;
        }
        source
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// What begins here, and where it ends.
fn token(chars: &[char], at: usize) -> (Kind, usize) {
    let rest = &chars[at..];
    let starts = |text: &str| {
        text.chars()
            .eq(rest.iter().copied().take(text.chars().count()))
    };
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if starts("//") {
        return (Kind::Comment, at + until(rest, "\n"));
    }
    if starts("/*") {
        return (Kind::Comment, at + until(rest, "*/") + 2);
    }
    if let Some(length) = raw_text(rest).filter(|_| !in_word) {
        return (Kind::Text, at + length);
    }
    match rest[0] {
        '"' => (Kind::Text, at + quoted(rest)),
        // A character, not a lifetime: 'a', '\n', '\u{1f}'.
        '\'' if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') => {
            let skip = if rest[1] == '\\' { 3 } else { 2 };
            (Kind::Text, at + skip + until(&rest[skip..], "'") + 1)
        }
        _ => (Kind::Code, at + 1),
    }
}

/// Where `end` begins, or the end of it all.
fn until(rest: &[char], end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    rest.windows(end.len())
        .position(|window| window == end)
        .unwrap_or(rest.len())
}

/// The length of a text in quotes.
fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

/// The length of `r"…"`, `r#"…"#` or `br#"…"#`, if one begins here.
fn raw_text(rest: &[char]) -> Option<usize> {
    let prefix = usize::from(rest[0] == 'b');
    if rest.get(prefix) != Some(&'r') {
        return None;
    }
    let hashes = rest[prefix + 1..]
        .iter()
        .take_while(|char| **char == '#')
        .count();
    let open = prefix + 1 + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(open + 1 + until(&rest[open + 1..], &close) + close.len())
}

/// A path's words: `crate::base::NodeId` gives `["crate", "base", "NodeId"]`. `super` and `crate` and crates alike.
pub(super) fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in whole_imports(code).lines() {
        for path in line.split(|char: char| !(char.is_alphanumeric() || "_:".contains(char))) {
            let words: Vec<String> = path
                .split("::")
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            if words.len() > 1 || (words.len() == 1 && path.ends_with("::")) {
                found.push(words);
            }
        }
    }
    found
}

/// `use std::{fs, net::TcpStream};` as `std::fs` and `std::net::TcpStream`, each on a line; the rest stays as it is.
fn whole_imports(code: &str) -> String {
    let mut lines = String::new();
    let mut rest = code;
    while let Some(start) = next_import(rest) {
        let end = rest[start..]
            .find(';')
            .map_or(rest.len(), |end| start + end);
        lines.push_str(&rest[..start]);
        lines.push('\n');
        for path in unfold(&rest[start + "use ".len()..end]) {
            lines.push_str(&path);
            // A lone crate or room counts as a path too: `use crate::view;` is one, `use redis;` would be.
            lines.push_str("::\n");
        }
        rest = &rest[end..];
    }
    lines + rest
}

fn next_import(code: &str) -> Option<usize> {
    code.match_indices("use ")
        .map(|(place, _)| place)
        .find(|place| !code[..*place].ends_with(|char: char| char.is_alphanumeric() || char == '_'))
}

/// The paths of one `use`, without `as NAME`.
fn unfold(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        return vec![path.to_owned()];
    };
    let close = tree.rfind('}').unwrap_or(tree.len());
    let (prefix, inside) = (tree[..open].trim(), &tree[open + 1..close]);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for char in inside.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if char == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(char);
        }
    }
    let whole = parts.iter().filter(|part| !part.trim().is_empty());
    whole
        .flat_map(|part| unfold(part))
        .map(|path| format!("{prefix}{path}"))
        .collect()
}

#[test]
fn takes_source_apart() {
    let text = "let a = \"crate::net\"; // crate::view\nlet b = r#\"x \" redis::\"#; let c = '\"'; let d: &'a str = b;\n";
    let source = Source::of(text);
    assert_eq!(source.code.lines().count(), 2);
    assert!(!source.code.contains("net") && !source.code.contains("redis"));
    assert!(
        source.code.contains("let d: &'a str = b;"),
        "{}",
        source.code
    );
    assert_eq!(source.comments.trim(), "// crate::view");
}

#[test]
fn finds_every_path() {
    let code = "pub(crate) use crate::{base::{self, Slot}, net as wire};\nfn f() { std::fs::read(x); crate::view::y() }";
    let paths: Vec<String> = paths(code).iter().map(|words| words.join("::")).collect();
    assert_eq!(
        paths,
        [
            "crate::base::self",
            "crate::base::Slot",
            "crate::net",
            "std::fs::read",
            "crate::view::y"
        ]
    );
}
