//! Runs the README's session, and the mail of docs/cron.md, on real servers.

use std::net::SocketAddr;
use std::process::Command;

use super::shown::{DOTS, matches, renewed};
use super::{blocks, read};
use crate::support::Rcl;
use crate::support::kind::ServerKind;
use crate::support::loopback::Loopback;
use crate::support::rcl::PROGRAM;
use crate::support::resp::Client;

const UPDATE: &str = "RCL_UPDATE_DOCS";

/// The addresses on the pages.
const SHOWN: [&str; 2] = ["127.0.81.100", "127.0.81.101"];

/// The nodes of the README's file, in a lab of their own on addresses of their own.
struct Session {
    rcl: Rcl,
    addresses: [String; 2],
    /// The exit code of the last rcl.
    code: i32,
    _block: Loopback,
}

impl Session {
    fn start(yaml: &str) -> Self {
        let ports = 7000..7003;
        let wanted: Vec<(u8, u16)> = [1, 2]
            .into_iter()
            .flat_map(|host| {
                ports
                    .clone()
                    .flat_map(move |port| [(host, port), (host, port + 10_000)])
            })
            .collect();
        let block = Loopback::claim(&wanted);
        let mut session = Self {
            rcl: Rcl::new(),
            addresses: [1, 2].map(|host| block.host(host).to_string()),
            code: 0,
            _block: block,
        };
        session.rcl.file("seed.yaml", &session.there(yaml));
        let server = ServerKind::Redis70.program();
        let up = session.rcl(&[
            "lab",
            "up",
            "--server",
            &server.display().to_string(),
            "seed.yaml",
        ]);
        assert_eq!(session.code, 0, "{up}");
        session
    }

    /// A page's addresses as those of this run.
    fn there(&self, text: &str) -> String {
        swap(text, &SHOWN, &[&self.addresses[0], &self.addresses[1]])
    }

    /// This run's addresses as those of the page.
    fn here(&self, text: &str) -> String {
        swap(text, &[&self.addresses[0], &self.addresses[1]], &SHOWN)
    }

    /// Runs a command line as the page shows it, and gives the output as the page would show it.
    fn run(&mut self, line: &str) -> String {
        let line = self.there(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = match words.as_slice() {
            ["rcl", "apply", file] => self.apply(file),
            ["rcl", words @ ..] => self.rcl(words),
            ["redis-cli", "-h", host, "-p", port, words @ ..] => {
                let address: SocketAddr = format!("{host}:{port}").parse().expect("an address");
                let mut client = Client::connect(address).expect("a connection");
                format!("{}\n", client.call(words).expect("a reply").text())
            }
            ["echo", "$?"] => format!("{}\n", self.code),
            _ => panic!("the test can't run `{line}`"),
        };
        self.here(&output)
    }

    fn rcl(&mut self, words: &[&str]) -> String {
        let output = Command::new(PROGRAM)
            .args(words)
            .current_dir(self.rcl.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "100")
            .output()
            .expect("rcl runs");
        self.code = output.status.code().expect("rcl ends by itself");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("the output is UTF-8")
    }

    /// The one command that asks: yes is typed on a terminal.
    fn apply(&mut self, file: &str) -> String {
        let mut terminal = self.rcl.terminal(&["apply", "--color", "never", file]);
        terminal.expect("accepted: ").type_line("yes").code(0);
        self.code = 0;
        // What a progress bar overwrote is a line of its own here, which a page leaves out.
        let raw = terminal
            .raw()
            .replace("\u{1b}[2K", "\n")
            .replace('\r', "\n");
        console::strip_ansi_codes(&raw).into_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A second panic would hide the first.
        let _ = Command::new(PROGRAM)
            .args(["lab", "down", "--wipe", "seed.yaml"])
            .current_dir(self.rcl.folder())
            .output();
    }
}

/// Replaces addresses, but not where one is the beginning of a longer one.
fn swap(text: &str, from: &[&str; 2], to: &[&str; 2]) -> String {
    let mut swapped = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let ends =
            |address: &str| !rest[address.len()..].starts_with(|next: char| next.is_ascii_digit());
        let found = (0..2).find(|index| rest.starts_with(from[*index]) && ends(from[*index]));
        let length = match found {
            Some(index) => {
                swapped.push_str(to[index]);
                from[index].len()
            }
            None => {
                swapped.push(char);
                char.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    swapped
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A command on the page and the output below it, as line numbers.
struct Shown {
    command: String,
    output: std::ops::Range<usize>,
}

fn commands(page: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for block in blocks(page).iter().filter(|block| block.info == "console") {
        for (number, line) in &block.lines {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push(Shown {
                    command: command.to_owned(),
                    output: number + 1..number + 1,
                }),
                (None, Some(shown)) => shown.output.end = number + 1,
                (None, None) => panic!("line {number}: output before the first command"),
            }
        }
    }
    commands
}

#[test]
fn the_session_of_the_readme_is_real() {
    let page = read("README.md");
    let yaml = blocks(&page).into_iter().find(|block| block.info == "yaml");
    let mut session = Session::start(&yaml.expect("the README shows a file").text());
    let mut whole = lines(&page);
    let mut stale = Vec::new();
    // Backwards in the page, so that line numbers stay right: the outputs are taken first.
    let came: Vec<(Shown, Vec<String>)> = commands(&page)
        .into_iter()
        .map(|shown| {
            let output = lines(&session.run(&shown.command));
            (shown, output)
        })
        .collect();
    assert!(came.len() >= 5);
    for (Shown { command, output }, came) in came.into_iter().rev() {
        let shown = whole[output.clone()].to_vec();
        if matches(&shown, &came) {
            continue;
        }
        match renewed(&shown, &came).filter(|_| std::env::var_os(UPDATE).is_some()) {
            Some(lines) => drop(whole.splice(output, lines)),
            None => stale.push(format!("$ {command}\n{}", came.join("\n"))),
        }
    }
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write("README.md", whole.join("\n") + "\n").expect("the README is written");
    }
    assert!(
        stale.is_empty(),
        "the README shows something else ({UPDATE}=1 writes it anew, but for what stands between {DOTS}); this came:\n{}",
        stale.join("\n\n")
    );
    the_mail_is_real(&mut session);
}

/// After the README's session one option differs; the mail of docs/cron.md comes when a node is down besides.
fn the_mail_is_real(session: &mut Session) {
    let status = session.rcl(&["lab", "status", "seed.yaml"]);
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let victim = status
        .lines()
        .map(words)
        .find(|words| words[1] == "host2:7002");
    let pid = victim.expect("a line for host2:7002")[4].parse().ok();
    let pid = pid
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the node ends");
    crate::support::wait::until("rcl drift to miss the node", || {
        session.rcl(&["drift", "seed.yaml"]);
        if session.code == 3 {
            Ok(())
        } else {
            Err(format!("exit code {}", session.code))
        }
    });
    let came = lines(&session.run("rcl drift seed.yaml"));
    let page = read("docs/cron.md");
    let mail = blocks(&page).into_iter().find(|block| block.info == "text");
    let mail = lines(&mail.expect("a mail").text());
    let shown: Vec<String> = mail
        .iter()
        .filter_map(|line| line.strip_prefix("/etc/rcl/"))
        .map(str::to_owned)
        .collect();
    assert_eq!(shown, came, "docs/cron.md shows another mail");
}
