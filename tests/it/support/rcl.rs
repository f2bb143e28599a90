//! A sealed runner of the rcl binary: an empty environment, a folder of its own, a fixed width, a deadline.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

use super::least;
use super::running::Running;
use super::terminal::Terminal;
use super::wait;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_rcl");

pub(crate) const COLUMNS: u16 = 100;

/// Longer than any deadline of rcl's own in a test, so that it is rcl which gives up.
const DEADLINE: Duration = Duration::from_secs(90);

/// What it says where the servers' own doings have overtaken its plan, before it begins or on the way.
const OVERTAKEN: &str = "the cluster has changed since the plan was ";

/// Where rcl runs, and with what.
pub(crate) struct Rcl {
    program: PathBuf,
    folder: TempDir,
    variables: Vec<(String, OsString)>,
}

impl Rcl {
    pub(crate) fn new() -> Self {
        Self::with_program(PROGRAM)
    }

    /// Another program under the same seal.
    pub(crate) fn with_program(program: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let variables = vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), folder.path().into()),
            ("COLUMNS".to_owned(), COLUMNS.to_string().into()),
        ];
        let login = least::asked_for().then(|| {
            let (name, value) = (least::PASSWORD_VARIABLE, least::PASSWORD);
            (name.to_owned(), value.into())
        });
        let variables = variables.into_iter().chain(login).collect();
        Self {
            program: program.into(),
            folder,
            variables,
        }
    }

    pub(crate) fn env(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.into()));
        self
    }

    /// Writes a file into the folder that rcl runs in.
    #[track_caller]
    pub(crate) fn file(&self, name: &str, content: &impl ToString) -> &Self {
        let content = least::completed(content.to_string());
        std::fs::write(self.path(name), content).expect("the file is written");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// For a start of another kind.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, OsString)> {
        self.variables.iter().cloned()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs to the end without a terminal; standard input is empty.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.args(least::login(arguments));
        let ran = self.to_the_end(command, arguments);
        ran.check_plain(arguments);
        ran
    }

    /// Runs it just after another run was killed. What that one had sent last may take effect while this one plans:
    /// it says so, does nothing, and is started once more.
    #[track_caller]
    pub(crate) fn run_again(&self, arguments: &[&str]) -> Streams {
        wait::until("a plan that nothing overtakes", || {
            let (code, streams) = self.run(arguments).whatever();
            match code {
                Some(0) => Ok(streams),
                Some(3) if streams.stderr().contains(OVERTAKEN) => Err(streams.stderr().to_owned()),
                _ => panic!(
                    "{code:?}: {}\n{}\n{}",
                    self.command_line(arguments),
                    streams.stdout(),
                    streams.stderr()
                ),
            }
        })
    }

    /// Like [`Self::run`], where the kernel gives it no more memory than so many bytes: it aborts where it needs more.
    #[track_caller]
    pub(crate) fn run_within(&self, memory: u64, arguments: &[&str]) -> Ran {
        let mut command = Command::new("sh");
        let kibibytes = (memory / 1024).to_string();
        command
            .args(["-c", r#"ulimit -d "$0" && exec "$@""#, &kibibytes])
            .arg(&self.program)
            .args(least::login(arguments));
        self.to_the_end(command, arguments)
    }

    /// Runs until it ends, or until a file that it writes would get more bytes than this: then the kernel ends
    /// it in the midst of that write, as surely as SIGKILL does. (`prlimit` comes with `setpriv`.)
    #[track_caller]
    pub(crate) fn run_until_written(&self, bytes: u64, arguments: &[&str]) -> Ran {
        let mut command = Command::new("prlimit");
        command
            .args(["--core=0", &format!("--fsize={bytes}"), "--"])
            .arg(&self.program)
            .args(least::login(arguments));
        self.to_the_end(command, arguments)
    }

    #[track_caller]
    fn to_the_end(&self, mut command: Command, arguments: &[&str]) -> Ran {
        let output = command
            .current_dir(self.folder())
            .env_clear()
            .envs(self.variables.clone())
            .timeout(DEADLINE)
            .output()
            .unwrap_or_else(|error| panic!("{} doesn't run: {error}", self.program.display()));
        Ran::new(self.command_line(arguments), output)
    }

    /// Starts it on a terminal of its own, with colours. Tests that run in the background of a shell were
    /// told to ignore Ctrl-C, and would pass that on; `env` undoes it.
    #[track_caller]
    pub(crate) fn terminal(&self, arguments: &[&str]) -> Terminal {
        let command = pty_process::blocking::Command::new("env")
            .arg("--default-signal=INT")
            .arg(&self.program)
            .args(least::login(arguments))
            .current_dir(self.folder())
            .env_clear()
            .envs(self.variables.clone())
            .env("TERM", "xterm-256color");
        Terminal::spawn(self.command_line(arguments), command)
    }

    /// Starts it without a terminal and reads its talk line by line.
    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(least::login(arguments))
            .current_dir(self.folder())
            .env_clear()
            .envs(self.variables.clone());
        Running::spawn(self.command_line(arguments), command)
    }

    fn command_line(&self, arguments: &[&str]) -> String {
        let name = self.program.file_name().unwrap_or_default();
        let arguments = least::login(arguments).join(" ");
        format!("{} {arguments}", name.to_string_lossy())
    }
}

/// What a run gave. Ask it for the exit code that the test expects; anything else panics with both streams.
#[must_use = "a run that nobody judges proves nothing"]
pub(crate) struct Ran {
    command: String,
    output: Output,
}

impl Ran {
    pub(super) fn new(command: String, output: Output) -> Self {
        Self { command, output }
    }

    /// For tests in which it is not known beforehand; judge it all the same.
    pub(crate) fn exit(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Exit code 0 and not a word on standard error.
    #[track_caller]
    pub(crate) fn success(self) -> Streams {
        let quiet = self.output.stderr.is_empty();
        let wanted = "exit code 0 and nothing on standard error";
        self.expect(wanted, |code| code == Some(0) && quiet)
    }

    /// This exit code; standard error may say anything.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Streams {
        self.expect(&format!("exit code {wanted}"), |code| code == Some(wanted))
    }

    /// Whatever the exit code is.
    #[track_caller]
    pub(crate) fn any(self) -> Streams {
        self.expect("an end", |_| true)
    }

    /// However it ended; none for a signal.
    pub(crate) fn whatever(self) -> (Option<i32>, Streams) {
        let code = self.output.status.code();
        let streams = Streams {
            stdout: text(self.output.stdout),
            stderr: text(self.output.stderr),
        };
        (code, streams)
    }

    /// For runs of which more than one end is fine.
    pub(crate) fn is_code(&self, code: i32) -> bool {
        self.output.status.code() == Some(code)
    }

    /// One of these exit codes; standard error may say anything.
    #[track_caller]
    pub(crate) fn one_of(self, wanted: &[i32]) -> Streams {
        let codes = format!("one of the exit codes {wanted:?}");
        self.expect(&codes, |code| {
            code.is_some_and(|code| wanted.contains(&code))
        })
    }

    #[track_caller]
    fn expect(self, wanted: &str, holds: impl Fn(Option<i32>) -> bool) -> Streams {
        let fine = holds(self.output.status.code());
        assert!(fine, "expected {wanted}\n{}", self.describe());
        Streams {
            stdout: text(self.output.stdout),
            stderr: text(self.output.stderr),
        }
    }

    /// Into a pipe goes no colour, unless it was asked for.
    #[track_caller]
    fn check_plain(&self, arguments: &[&str]) {
        let asked = arguments.iter().any(|word| word.starts_with("--color"));
        let streams = [&self.output.stdout, &self.output.stderr];
        let coloured = streams.iter().any(|stream| stream.contains(&b'\x1b'));
        assert!(
            asked || !coloured,
            "escape codes in a pipe\n{}",
            self.describe()
        );
    }

    fn describe(&self) -> String {
        let late = match self.output.status.code() {
            Some(_) => String::new(),
            None => format!(" (killed by the test if it ran for {DEADLINE:?})"),
        };
        format!(
            "$ {}\n{}{late}\n--- standard output\n{}--- standard error\n{}---",
            self.command,
            self.output.status,
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr),
        )
    }
}

/// What a run wrote, after its exit code was judged.
pub(crate) struct Streams {
    stdout: String,
    stderr: String,
}

impl Streams {
    #[must_use]
    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    #[must_use]
    pub(crate) fn stderr(&self) -> &str {
        &self.stderr
    }
}

#[track_caller]
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the output is UTF-8")
}
