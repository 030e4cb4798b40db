//! What is printed about an error, and what a program finds in the object.

use serde_json::{Map, Value, json};

use super::Error;
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
            _ => Vec::new(),
        }
    }

    fn about(&self) -> Map<String, Value> {
        let Error::ApplyFailed(failure) = self else {
            return Map::new();
        };
        Map::from_iter([
            ("stage".to_owned(), json!(failure.stage)),
            ("changed".to_owned(), json!(failure.changed)),
            ("restored".to_owned(), json!(failure.restored)),
        ])
    }

    fn fields(&self) -> Map<String, Value> {
        match self {
            Error::NotVerified(found) => {
                Map::from_iter([("trees".to_owned(), json!(found.to_json()))])
            }
            _ => Map::new(),
        }
    }
}
