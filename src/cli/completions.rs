//! `rcl completions` and `rcl man`: what shells and `man` read, made from the arguments.

use std::io::{self, Write};

use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::view::Output;

use super::Exit;

/// Print a completion script for a shell
///
/// For example: rcl completions bash > ~/.local/share/bash-completion/completions/rcl
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

/// One page for all commands: pages of their own would have to be installed one by one.
pub(super) fn man(mut command: clap::Command, output: &mut Output<'_>) -> Exit {
    command.build();
    match page(&command) {
        Ok(page) => {
            output.data(&page);
            Exit::Fine
        }
        Err(error) => {
            output.talk(&format!("error: can't write the manual page: {error}\n"));
            Exit::Error
        }
    }
}

fn page(command: &clap::Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    sections(command, &mut page)?;
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    // The library's name for what stands below the help.
    let page = String::from_utf8_lossy(&page).replace(".SH EXTRA\n", ".SH NOTES\n");
    Ok(page)
}

/// A section for each command that does something, with subsections where a page would have sections.
fn sections(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    for sub in command.get_subcommands() {
        if sub.is_hide_set() || sub.get_name() == "help" {
            continue;
        }
        if sub.has_subcommands() {
            sections(sub, page)?;
            continue;
        }
        let man = Man::new(sub.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let name = sub.get_bin_name().unwrap_or_else(|| sub.get_name());
        writeln!(page, ".SH {}", name.to_uppercase())?;
        page.extend(
            String::from_utf8_lossy(&section)
                .replace(".SH ", ".SS ")
                .bytes(),
        );
    }
    Ok(())
}
