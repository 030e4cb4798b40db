//! The same node for the commands of OTP's release handler.

use std::path::{Path, PathBuf};

use relup::releases_file::ReleaseStatus;
use relup_cmd::NodeError;
use relup_cmd::handler::{Handled, Installed, NotInstalled, ReleaseHandler, Settings};
use shims::release_handler::{self, HandlerAnswer};
use shims::term::{self, Term};

use super::{RelupNode, lost};

impl RelupNode<'_> {
    fn handler(&mut self, function: &str, args: Vec<Term>) -> Handled {
        let answer = release_handler::call(self.connection()?, function, args);
        Ok(done(answer.map_err(|error| lost(&error))?))
    }
}

impl ReleaseHandler for RelupNode<'_> {
    fn root_dir(&mut self) -> Result<PathBuf, NodeError> {
        self.ask_text("code", "root_dir").map(PathBuf::from)
    }

    fn releases(&mut self) -> Result<Vec<Installed>, NodeError> {
        let known = release_handler::releases(self.connection()?).map_err(|error| lost(&error))?;
        known
            .into_iter()
            .map(|known| {
                let status = ReleaseStatus::by_name(&known.status);
                let odd = || NodeError::Rpc(format!("{} is {:?}", known.vsn, known.status));
                Ok(Installed {
                    status: status.ok_or_else(odd)?,
                    apps: known.apps,
                    vsn: known.vsn,
                })
            })
            .collect()
    }

    fn code_path(&mut self) -> Result<Vec<PathBuf>, NodeError> {
        RelupNode::code_path(self)
    }

    fn vm_args(&mut self) -> Result<Option<PathBuf>, NodeError> {
        let found = self.ask("init", "get_argument", vec![term::atom("vm_args")])?;
        // `{ok, [[Path]]}`, the last of several being the one in force.
        let path = term::as_tuple(&found).and_then(|parts| match parts {
            [_, values] => {
                let last = term::as_list(values)?.pop()?;
                term::as_text(&term::as_list(&last)?.pop()?)
            }
            _ => None,
        });
        Ok(path.map(PathBuf::from))
    }

    fn has_heart(&mut self) -> Result<bool, NodeError> {
        let found = self.ask("init", "get_argument", vec![term::atom("heart")])?;
        Ok(term::as_atom(&found) != Some("error"))
    }

    fn settings(&mut self) -> Result<Settings, NodeError> {
        let settings =
            release_handler::settings(self.connection()?).map_err(|error| lost(&error))?;
        let plain = Settings {
            text: settings.text.clone(),
            left_out: settings.left_out.clone(),
        };
        self.settings = Some(settings);
        Ok(plain)
    }

    fn put_back(&mut self) -> Result<(), NodeError> {
        match self.settings.take() {
            Some(settings) if !settings.left_out.is_empty() => {
                release_handler::put_back(self.connection()?, &settings)
                    .map_err(|error| lost(&error))
            }
            _ => Ok(()),
        }
    }

    fn set_unpacked(&mut self, rel_file: &Path) -> Handled {
        let path = term::string(&rel_file.to_string_lossy());
        self.handler("set_unpacked", vec![path, term::list(Vec::new())])
    }

    fn set_removed(&mut self, vsn: &str) -> Handled {
        self.handler("set_removed", vec![term::string(vsn)])
    }

    fn check_install(&mut self, vsn: &str) -> Result<Result<(), NotInstalled>, NodeError> {
        let args = vec![term::string(vsn)];
        let answer = release_handler::call(self.connection()?, "check_install_release", args);
        Ok(installed(answer.map_err(|error| lost(&error))?))
    }

    fn install(&mut self, vsn: &str) -> Result<Result<(), NotInstalled>, NodeError> {
        let answer = release_handler::install(self.connection()?, vsn);
        Ok(installed(answer.map_err(|error| lost(&error))?))
    }

    fn make_permanent(&mut self, vsn: &str) -> Handled {
        self.handler("make_permanent", vec![term::string(vsn)])
    }

    fn remove(&mut self, vsn: &str) -> Handled {
        self.handler("remove_release", vec![term::string(vsn)])
    }

    fn reload(&mut self) -> Handled {
        let answer = release_handler::reload(self.connection()?);
        Ok(done(answer.map_err(|error| lost(&error))?))
    }
}

fn installed(answer: HandlerAnswer) -> Result<(), NotInstalled> {
    match answer {
        HandlerAnswer::Done => Ok(()),
        HandlerAnswer::OldProcesses(module) => Err(NotInstalled::OldProcesses(module)),
        HandlerAnswer::Refused(reason) => Err(NotInstalled::Other(reason)),
    }
}

fn done(answer: HandlerAnswer) -> Result<(), String> {
    match answer {
        HandlerAnswer::Done => Ok(()),
        HandlerAnswer::OldProcesses(module) => Err(format!("{{old_processes,{module}}}")),
        HandlerAnswer::Refused(reason) => Err(reason),
    }
}
