//! The least user that docs/security.md gives. With `RCL_TEST_ACL` set, the servers of all tests have it, and rcl
//! logs in as it wherever a file doesn't say otherwise.

use std::net::SocketAddr;

use rcl::base::{Flavor, Server, rules_for_applying};

use super::kind::ServerKind;

/// The variable that the files of tests find the password in.
pub(crate) const PASSWORD_VARIABLE: &str = "RCL_PASSWORD";
pub(crate) const PASSWORD: &str = "least-canary-77aa";

pub(crate) fn asked_for() -> bool {
    std::env::var_os("RCL_TEST_ACL").is_some()
}

/// Who rcl is at the servers of a test.
pub(crate) fn user_name() -> &'static str {
    match asked_for() {
        true => "rcl",
        false => "default",
    }
}

/// As rcl knows it.
pub(crate) fn server(kind: ServerKind) -> Server {
    match kind {
        ServerKind::Redis62 => Server::new(Flavor::Redis, 6, 2, 14),
        ServerKind::Redis70 => Server::new(Flavor::Redis, 7, 0, 15),
        ServerKind::Redis82 => Server::new(Flavor::Redis, 8, 2, 3),
        ServerKind::Redis80Tls => Server::new(Flavor::Redis, 8, 0, 2),
        ServerKind::Valkey81 => Server::new(Flavor::Valkey, 8, 1, 8),
        ServerKind::Valkey81Tls => Server::new(Flavor::Valkey, 8, 1, 1),
        ServerKind::Valkey91 => Server::new(Flavor::Valkey, 9, 1, 2),
    }
}

/// The value of the option `user`.
pub(super) fn user(kind: ServerKind) -> String {
    let rules = rules_for_applying(server(kind)).join(" ");
    format!("rcl on >{PASSWORD} {rules}")
}

/// The arguments of a test, with the user where an address stands in a file's place and no user is named.
pub(super) fn login(arguments: &[&str]) -> Vec<String> {
    let words = arguments.iter().map(|word| (*word).to_owned());
    let no_file = match arguments {
        ["status" | "export", rest @ ..] => {
            let mut rest = rest.iter();
            rest.any(|word| word.parse::<SocketAddr>().is_ok())
        }
        _ => false,
    };
    let user = match asked_for() && no_file && !arguments.contains(&"--user") {
        true => &["--user", "rcl"][..],
        false => &[],
    };
    words
        .chain(user.iter().map(|word| (*word).to_owned()))
        .collect()
}

/// The file of a test, with the user where it is one of a cluster and names none.
pub(super) fn completed(content: String) -> String {
    let is_file = content.starts_with("cluster:") && content.contains("\nshards:");
    if !asked_for() || !is_file || content.contains("access:") {
        return content;
    }
    let line = if content.ends_with('\n') { "" } else { "\n" };
    format!("{content}{line}access: {{username: rcl, password: {{env: {PASSWORD_VARIABLE}}}}}\n")
}
