//! Where text goes: data to standard output, talk to standard error.
//!
//! One value is handed to whoever prints. Both streams are anything that can be written to,
//! so that tests read back what people would see.

use std::io::{self, ErrorKind, IsTerminal, Write};

use super::error;
use super::styles::Styles;

/// What people asked for with `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Colours on a terminal, unless the environment speaks against it.
    #[default]
    Auto,
    Always,
    Never,
}

/// The width of what is no terminal.
const WIDTH: usize = 80;

/// The two streams of a run.
pub struct Output<'a> {
    /// What was asked for: plans, drift, JSON.
    pub out: Stream<'a>,
    /// What is said about it: progress, waits, errors.
    pub err: Stream<'a>,
}

/// One stream, how meanings look on it, and how wide it is.
pub struct Stream<'a> {
    sink: Box<dyn Write + 'a>,
    pub styles: Styles,
    pub terminal: bool,
    pub width: usize,
    /// Nobody reads any more, or writing failed: nothing further is written.
    closed: bool,
    failure: Option<io::Error>,
}

impl Output<'_> {
    /// The streams of this process. `plain` says that the environment wants no colours
    /// (`NO_COLOR`, `TERM=dumb`); only `Always` overrules it.
    #[must_use]
    pub fn of_process(choice: ColorChoice, plain: bool) -> Self {
        let coloured = |terminal: bool| match choice {
            ColorChoice::Auto => terminal && !plain,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let stream = |sink: Box<dyn Write>, terminal: bool, width: Option<(u16, u16)>| Stream {
            styles: if coloured(terminal) {
                Styles::coloured()
            } else {
                Styles::plain()
            },
            terminal,
            width: width.map_or(WIDTH, |(_, columns)| usize::from(columns)),
            ..Stream::new(sink)
        };
        Self {
            out: stream(
                Box::new(io::stdout()),
                io::stdout().is_terminal(),
                console::Term::stdout().size_checked(),
            ),
            err: stream(
                Box::new(io::stderr()),
                io::stderr().is_terminal(),
                console::Term::stderr().size_checked(),
            ),
        }
    }

    /// What was asked for.
    pub fn data(&mut self, text: &str) {
        self.out.write(text);
    }

    /// What is said about it.
    pub fn talk(&mut self, text: &str) {
        self.err.write(text);
    }

    /// What went wrong. The words may be anybody's.
    pub fn complain(&mut self, words: &str) {
        let text = error::human_text(words, self.err.styles);
        self.talk(&text);
    }

    /// Whether data could not be written, other than because its reader went away.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.out.failure.is_some()
    }

    /// Ends the output.
    ///
    /// # Errors
    /// When data could not be written, other than because its reader went away: half a plan
    /// on a full disk is no plan.
    pub fn finish(self) -> io::Result<()> {
        self.out.failure.map_or(Ok(()), Err)
    }
}

impl<'a> Stream<'a> {
    /// Plain, no terminal.
    #[must_use]
    pub fn new(sink: impl Write + 'a) -> Self {
        Self {
            sink: Box::new(sink),
            styles: Styles::plain(),
            terminal: false,
            width: WIDTH,
            closed: false,
            failure: None,
        }
    }

    /// Writes all of it and flushes. A reader that went away (`| head`) is no failure.
    pub fn write(&mut self, text: &str) {
        if self.closed || text.is_empty() {
            return;
        }
        let written = self
            .sink
            .write_all(text.as_bytes())
            .and_then(|()| self.sink.flush());
        if let Err(error) = written {
            self.closed = true;
            if error.kind() != ErrorKind::BrokenPipe {
                self.failure = Some(error);
            }
        }
    }
}

/// For the commands that print by themselves; what can't be written is dealt with as above.
impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::write(self, &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every write, and counts them.
    struct Failing<'a>(ErrorKind, &'a mut u32);

    impl Write for Failing<'_> {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn fails_with(kind: ErrorKind) -> (io::Result<()>, u32) {
        let (mut writes, mut said) = (0, Vec::new());
        let mut output = Output {
            out: Stream::new(Failing(kind, &mut writes)),
            err: Stream::new(&mut said),
        };
        output.data("one\n");
        output.data("two\n");
        output.talk("still here\n");
        let end = output.finish();
        assert_eq!(said, b"still here\n");
        (end, writes)
    }

    #[test]
    fn a_reader_that_went_away_ends_the_data_quietly() {
        let (end, writes) = fails_with(ErrorKind::BrokenPipe);
        assert!(end.is_ok());
        assert_eq!(writes, 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let (end, writes) = fails_with(ErrorKind::StorageFull);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(writes, 1);
    }
}
