//! What is printed about an error, and what a program finds in the object.

use relup::hop::HopPath;
use serde_json::{Map, Value, json};

use super::{ChainError, Error};
use crate::author::error::AuthorError;
use crate::output::Told;

impl Told for Error {
    fn name(&self) -> &str {
        Error::name(self)
    }

    fn hint(&self) -> Option<String> {
        Error::hint(self)
    }

    fn exit_code(&self) -> u8 {
        Error::exit_code(self)
    }

    fn found(&self) -> Vec<String> {
        match self {
            Error::NotVerified(found) => found.lines(),
            Error::Author(AuthorError::Findings(report)) => report.lines(),
            _ => Vec::new(),
        }
    }

    fn about(&self) -> Map<String, Value> {
        match self {
            Error::ApplyFailed(failure) => Map::from_iter([
                ("stage".to_owned(), json!(failure.stage)),
                ("changed".to_owned(), json!(failure.changed)),
                ("restored".to_owned(), json!(failure.restored)),
            ]),
            Error::Chain(ChainError::Stopped(stopped)) => {
                let mut about = stopped.error.about();
                let hops = |hops: &[HopPath]| {
                    let hop = |hop: &HopPath| json!({ "from": hop.from, "to": hop.to });
                    hops.iter().map(hop).collect::<Vec<_>>()
                };
                about.insert("hops".to_owned(), json!(hops(&stopped.way)));
                about.insert("hops_done".to_owned(), json!(stopped.done));
                about.insert("failed_hop".to_owned(), json!(stopped.at + 1));
                if stopped.done > 0 {
                    about.insert("go_on".to_owned(), json!(stopped.go_on));
                }
                about
            }
            _ => Map::new(),
        }
    }

    fn fields(&self) -> Map<String, Value> {
        match self {
            Error::NotVerified(found) => {
                Map::from_iter([("trees".to_owned(), json!(found.to_json()))])
            }
            Error::Author(AuthorError::Findings(report)) => report.fields().into_iter().collect(),
            _ => Map::new(),
        }
    }
}
