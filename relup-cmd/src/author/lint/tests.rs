//! A table of hops with one mistake each, which is found and nothing else, and hops without one.
//!
//! Releases are written as lines: `app/module@code`, then `+f/1` for an export, `>m:f/1` for a call,
//! `:behaviour`, `nif`, `unlisted`.

mod against;
mod form;
mod published;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use relup::app_file::AppFile;
use relup::build_info::BuildInfo;
use relup::rel_file::StartType;
use relup::term::Term;

use super::*;
use crate::author::atoms::Atoms;
use crate::author::facts::{AppFacts, ModuleFacts, ReleaseFacts};

const FROM: &str = "
    kernel/code@1 +purge/1
    emqx/emqx@1 +run/1 +old/0
    emqx/emqx_release@1 +version/0
    emqx/emqx_topic@1 +match/2 >emqx:old/0
    emqx/emqx_post_upgrade@1 +pr_0_done/1
    emqx/emqx_cm@1 :gen_server +init/1 +code_change/3
    emqx/emqx_gone@1 +go/0
    emqx/emqx_same@1 +stay/0
    emqx/emqx_nif@1 +start/0
    emqx_dashboard/emqx_dashboard@1 +start/0
    emqx_dashboard/emqx_dashboard_app@1 :application +start/2
    emqx_retired/emqx_retired@1 +go/0
";

const TO: &str = "
    kernel/code@1 +purge/1
    emqx/emqx@2 +run/1 >emqx_new:help/1
    emqx/emqx_new@1 +help/1
    emqx/emqx_release@1 +version/0
    emqx/emqx_topic@2 +match/2 +match/3
    emqx/emqx_post_upgrade@2 +pr_0_done/1 +pr_1_fix/1 +pr_2_more/2
    emqx/emqx_cm@2 :gen_server +init/1 +code_change/3
    emqx/emqx_same@1 +stay/0
    emqx/emqx_nif@1 +start/0
    emqx_dashboard/emqx_dashboard@2 +start/0
    emqx_dashboard/emqx_dashboard_app@1 :application +start/2
";

/// A hop between the two that nothing is wrong with.
const GOOD: &str = "#{
  from_version => \"5.10.4\",
  target_version => \"5.10.5\",
  code_changes => [
    {load_module, emqx_release},
    {load_module, emqx_new},
    {load_module, emqx},
    {load_module, emqx_topic},
    {load_module, emqx_post_upgrade},
    {update, emqx_cm, {advanced, []}},
    {apply, emqx_topic, match, [a, b, c]},
    {restart_application, emqx_dashboard}
  ],
  post_upgrade_callbacks => [pr_1_fix, {pr_2_more, [x]}]
}.
";

/// Texts that are replaced: what, and by what.
type Edits<'a> = &'a [(&'a str, &'a str)];

fn edited(text: &str, edits: Edits<'_>) -> String {
    edits.iter().fold(text.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "there is no {old:?} in {text}");
        text.replacen(old, new, 1)
    })
}

fn function(text: &str) -> (&str, u8) {
    let (name, arity) = text.split_once('/').expect("f/1");
    (name, arity.parse().expect("an arity"))
}

/// A release of such lines.
fn release(vsn: &str, erlang: &str, lines: &str) -> ReleaseFacts {
    let mut atoms = Atoms::default();
    let mut apps: BTreeMap<String, AppFacts> = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (app, rest) = words
            .next()
            .and_then(|word| word.split_once('/'))
            .expect("app/module");
        let (name, code) = rest.split_once('@').expect("module@code");
        let mut facts = ModuleFacts {
            identity: [code.parse().expect("a number"); 16],
            exports: Arc::default(),
            imports: Arc::default(),
            behaviours: Arc::default(),
            is_listed: true,
            is_consolidated: false,
            debug_info: None,
        };
        let (mut exports, mut imports, mut behaviours) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            if let Some(word) = word.strip_prefix('+') {
                let (name, arity) = function(word);
                exports.push((atoms.intern(name), arity));
            } else if let Some((module, called)) =
                word.strip_prefix('>').and_then(|word| word.split_once(':'))
            {
                let (name, arity) = function(called);
                imports.push((atoms.intern(module), atoms.intern(name), arity));
            } else if let Some(word) = word.strip_prefix(':') {
                behaviours.push(atoms.intern(word));
            } else if word == "nif" {
                let call = (atoms.intern("erlang"), atoms.intern("load_nif"), 2);
                imports.push(call);
            } else {
                facts.is_listed = word != "unlisted";
            }
        }
        facts.exports = exports.into();
        facts.imports = imports.into();
        facts.behaviours = behaviours.into();
        owners.insert(name.to_owned(), app.to_owned());
        let known = apps.entry(app.to_owned()).or_insert_with(|| AppFacts {
            file: AppFile {
                name: app.to_owned(),
                vsn: vsn.to_owned(),
                modules: Vec::new(),
                applications: Vec::new(),
                included: Vec::new(),
                callback: None,
                start_phases: None,
                env: Vec::new(),
            },
            appup: None,
            start: StartType::Permanent,
            modules: BTreeMap::new(),
            libraries: BTreeMap::new(),
        });
        known.modules.insert(name.to_owned(), facts);
    }
    ReleaseFacts {
        source: format!("/releases/{vsn}").into(),
        vsn: vsn.parse().expect("a version"),
        erts: "13.1.5".to_owned(),
        build_info: Some(BuildInfo::parse(&format!("erlang: \"{erlang}\"\n"))),
        apps,
        owners,
        atoms: Arc::new(atoms),
    }
}

/// Everything that a case differs in from the good one.
#[derive(Default)]
struct Case<'a> {
    hop: Edits<'a>,
    from: Edits<'a>,
    to: Edits<'a>,
    file: Option<&'a str>,
    /// Modules beside the hop, `module f/1 g/2`.
    companions: &'a [&'a str],
    /// Whether the releases are named.
    is_form_only: bool,
    /// OTP of the target.
    erlang: Option<&'a str>,
    /// A parameter of the dashboard that the target has another default of.
    env: Option<&'a str>,
}

impl Case<'_> {
    /// What is found, in the order of the rules.
    fn findings(&self) -> Vec<Finding> {
        let text = edited(GOOD, self.hop);
        let companions: Vec<Companion> = self
            .companions
            .iter()
            .map(|line| {
                let mut words = line.split_whitespace();
                let module = words.next().expect("a module").to_owned();
                let own = |text| {
                    let (name, arity): (&str, u8) = function(text);
                    (name.to_owned(), arity)
                };
                Companion {
                    module,
                    exports: words.map(own).collect(),
                }
            })
            .collect();
        let from = release("5.10.4", "25.2.3", &edited(FROM, self.from));
        let mut to = release(
            "5.10.5",
            self.erlang.unwrap_or("25.2.3"),
            &edited(TO, self.to),
        );
        if let (Some(key), Some(app)) = (self.env, to.apps.get_mut("emqx_dashboard")) {
            let key = Term::Atom(key.to_owned());
            app.file.env.push((key, Term::Int("1".to_owned())));
        }
        let mut found = Vec::new();
        let value = match parse_text(text.as_bytes()) {
            Text::Value(value) => value,
            Text::Broken(finding) => return vec![finding],
            Text::Expression => panic!("an expression: {text}"),
        };
        let releases = (!self.is_form_only).then_some(Releases {
            from: &from,
            to: &to,
        });
        let file = Path::new(self.file.unwrap_or("5.10.4-to-5.10.5.relup"));
        let sources = vec!["emqx_source".to_owned()];
        check(
            file,
            &text,
            value,
            &companions,
            &sources,
            releases,
            &mut found,
        );
        found
    }
}

/// The only thing that is found; its line, where one is named.
fn check_found(name: &str, class: Class, line: Option<usize>, case: &Case<'_>) {
    let found = case.findings();
    let names: Vec<_> = found
        .iter()
        .map(|finding| (finding.name, finding.class))
        .collect();
    assert_eq!(names, [(name, class)], "{found:#?}");
    let finding = &found[0];
    assert_eq!(finding.line, line, "{finding:?}");
    for text in [&finding.what, &finding.why, &finding.remedy] {
        assert!(!text.is_empty() && !text.contains('\n'), "{finding:?}");
    }
}

#[test]
fn a_good_hop_is_clean() {
    for case in [
        Case::default(),
        Case {
            is_form_only: true,
            ..Case::default()
        },
        Case {
            file: Some("emqx-enterprise-5.10.5-debian12-amd64.tar.gz.relup"),
            ..Case::default()
        },
        // A module that no release has, brought along, loaded and called from the start.
        Case {
            hop: &[(
                "    {load_module, emqx_release}",
                "    {apply, emqx_relup_x, begin_hop, []},\n    {load_module, emqx_relup_x},\n    {load_module, emqx_release}",
            )],
            companions: &["emqx_relup_x begin_hop/0"],
            ..Case::default()
        },
        // Callbacks of a module of their own, of which the target's is not loaded.
        Case {
            hop: &[("[pr_1_fix, {pr_2_more, [x]}]", "[own]")],
            companions: &["emqx_post_upgrade_5.10.5 own/1"],
            ..Case::default()
        },
        // Restarting the application covers all its modules.
        Case {
            hop: &[(
                "{load_module, emqx_new},\n    {load_module, emqx},",
                "{load_module, emqx},\n    {load_module, emqx_new},",
            )],
            ..Case::default()
        },
    ] {
        assert_eq!(case.findings(), []);
    }
}
