//! Releases for the tests of what is decided about them: facts without files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use relup::app_file::AppFile;
use relup::rel_file::StartType;
use relup::term::{Term, parse_terms};

use super::atoms::Atoms;
use super::decide::Options;
use super::diff::compare;
use super::error::AuthorError;
use super::facts::{AppFacts, ModuleFacts, ReleaseFacts};
use super::plan::{HopPlan, plan};
use super::rules::Rules;
use super::text::written;

/// A module; its code is a number.
#[derive(Debug, Clone)]
pub(crate) struct Mod {
    name: &'static str,
    code: u8,
    exports: Vec<(&'static str, u8)>,
    calls: Vec<(&'static str, &'static str, u8)>,
    behaviours: Vec<&'static str>,
    forms: Option<String>,
    is_listed: bool,
    is_consolidated: bool,
}

/// A plain module.
pub(crate) fn module(name: &'static str, code: u8) -> Mod {
    Mod {
        name,
        code,
        exports: Vec::new(),
        calls: Vec::new(),
        behaviours: Vec::new(),
        forms: None,
        is_listed: true,
        is_consolidated: false,
    }
}

impl Mod {
    pub(crate) fn exports(mut self, name: &'static str, arity: u8) -> Mod {
        self.exports.push((name, arity));
        self
    }

    pub(crate) fn calls(mut self, module: &'static str) -> Mod {
        self.calls.push((module, "f", 0));
        self
    }

    pub(crate) fn behaves(mut self, behaviour: &'static str) -> Mod {
        self.behaviours.push(behaviour);
        self
    }

    pub(crate) fn with_nif(mut self) -> Mod {
        self.calls.push(("erlang", "load_nif", 2));
        self
    }

    /// Debug info with these forms, as text.
    pub(crate) fn source(mut self, forms: impl Into<String>) -> Mod {
        self.forms = Some(forms.into());
        self
    }

    pub(crate) fn unlisted(mut self) -> Mod {
        self.is_listed = false;
        self
    }

    pub(crate) fn consolidated(mut self) -> Mod {
        self.is_consolidated = true;
        self
    }

    fn facts(&self, atoms: &mut Atoms) -> ModuleFacts {
        let exports = self.exports.iter();
        let calls = self.calls.iter();
        ModuleFacts {
            identity: [self.code; 16],
            exports: exports
                .map(|(name, arity)| (atoms.intern(name), *arity))
                .collect(),
            imports: calls
                .map(|(module, name, arity)| (atoms.intern(module), atoms.intern(name), *arity))
                .collect(),
            behaviours: self
                .behaviours
                .iter()
                .map(|name| atoms.intern(name))
                .collect(),
            is_listed: self.is_listed,
            is_consolidated: self.is_consolidated,
            debug_info: self.forms.as_ref().map(|forms| debug_info(forms).into()),
        }
    }
}

/// An application.
#[derive(Debug, Clone)]
pub(crate) struct App {
    name: &'static str,
    keys: String,
    start: StartType,
    modules: Vec<Mod>,
    library: Option<u8>,
}

/// An application with nothing else to it.
pub(crate) fn app(name: &'static str, modules: &[Mod]) -> App {
    App {
        name,
        keys: String::new(),
        start: StartType::Load,
        modules: modules.to_vec(),
        library: None,
    }
}

impl App {
    /// Further keys of the specification, each with a comma in front.
    pub(crate) fn keys(mut self, keys: &str) -> App {
        self.keys += keys;
        self
    }

    pub(crate) fn start(mut self, start: StartType) -> App {
        self.start = start;
        self
    }

    pub(crate) fn library(mut self, digest: u8) -> App {
        self.library = Some(digest);
        self
    }
}

/// A release of these applications, and of one with `emqx_release`.
pub(crate) fn release(vsn: &str, apps: &[App]) -> ReleaseFacts {
    let mut atoms = Atoms::default();
    let mut facts = BTreeMap::new();
    let mut owners = BTreeMap::new();
    let own = app("emqx", &[module("emqx_release", 0)]);
    let has_own = apps.iter().any(|app| app.name == "emqx");
    for app in apps.iter().chain((!has_own).then_some(&own)) {
        let mut modules = BTreeMap::new();
        let release = module("emqx_release", 0);
        for module in app
            .modules
            .iter()
            .chain((app.name == "emqx").then_some(&release))
        {
            owners.insert(module.name.to_owned(), app.name.to_owned());
            modules.insert(module.name.to_owned(), module.facts(&mut atoms));
        }
        let text = format!("{{application,{},[{{vsn,\"1\"}}{}]}}.", app.name, app.keys);
        let about = AppFacts {
            file: AppFile::parse(&text).expect("a specification"),
            appup: None,
            start: app.start,
            modules,
            libraries: app
                .library
                .map(|digest| ("x.so".to_owned(), [digest; 16]))
                .into_iter()
                .collect(),
        };
        facts.insert(app.name.to_owned(), about);
    }
    ReleaseFacts {
        source: PathBuf::from(vsn),
        vsn: vsn.parse().expect("a version"),
        erts: "1".to_owned(),
        build_info: None,
        apps: facts,
        owners,
        atoms: atoms.into(),
    }
}

/// The hop between two lists of applications, from 5.10.4 to 5.10.5.
pub(crate) fn hop(from: &[App], to: &[App]) -> Result<HopPlan, AuthorError> {
    hop_by(from, to, "", false)
}

/// The same, with rules and perhaps `--force`; at most three modules of an application may change.
pub(crate) fn hop_by(
    from: &[App],
    to: &[App],
    rules: &str,
    force: bool,
) -> Result<HopPlan, AuthorError> {
    let (from, to) = (release("5.10.4", from), release("5.10.5", to));
    let options = Options {
        max_modules: 3,
        rules: &Rules::parse(rules).expect("rules"),
        force,
        is_reverse: false,
        needs_version: true,
    };
    plan(&compare(&from, &to), &from, &to, &options)
}

/// The instructions of a hop as they are written, without that for `emqx_release`.
pub(crate) fn told(hop: &HopPlan) -> Vec<String> {
    let all = hop.instructions();
    let texts = all.iter().map(written);
    texts
        .filter(|text| text != "{load_module, emqx_release}")
        .collect()
}

fn debug_info(forms: &str) -> Vec<u8> {
    let text = format!("{{debug_info_v1,erl_abstract_code,{{[{forms}],[]}}}}.");
    let mut bytes = vec![131];
    encode(&parse_terms(&text).expect("terms")[0], &mut bytes);
    bytes
}

/// The external format of what abstract code consists of.
fn encode(term: &Term, bytes: &mut Vec<u8>) {
    let len = |len: usize| u32::try_from(len).expect("short").to_be_bytes();
    match term {
        Term::Atom(name) => {
            bytes.extend([119, u8::try_from(name.len()).expect("short")]);
            bytes.extend(name.as_bytes());
        }
        Term::Int(digits) => {
            bytes.push(98);
            bytes.extend(digits.parse::<i32>().expect("small").to_be_bytes());
        }
        Term::Tuple(parts) => {
            bytes.push(105);
            bytes.extend(len(parts.len()));
            for part in parts {
                encode(part, bytes);
            }
        }
        Term::List(parts) if parts.is_empty() => bytes.push(106),
        Term::List(parts) => {
            bytes.push(108);
            bytes.extend(len(parts.len()));
            for part in parts {
                encode(part, bytes);
            }
            bytes.push(106);
        }
        other => panic!("{other} is not needed"),
    }
}
