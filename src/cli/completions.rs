//! `rcl completions` and `rcl man`: what shells and `man` read, made from the arguments.

use clap::Args;
use clap_complete::Shell;

use crate::view::Output;

use super::Exit;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that will read it
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(super) fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
    output: &mut Output<'_>,
) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "rcl", &mut script);
    output.data(&String::from_utf8_lossy(&script));
    Exit::Fine
}

pub(super) fn man(command: clap::Command, output: &mut Output<'_>) -> Exit {
    let mut page = Vec::new();
    match clap_mangen::Man::new(command).render(&mut page) {
        Ok(()) => {
            output.data(&String::from_utf8_lossy(&page));
            Exit::Fine
        }
        Err(error) => {
            output.talk(&format!("error: can't write the manual page: {error}\n"));
            Exit::Error
        }
    }
}
