//! The pure model of an EMQX hot upgrade: versions, the layout of a release tree, the marker,
//! `emqx_vars`, `BUILD_INFO`, Erlang literals, hops, sidecars, the journal and manifests.
//!
//! It exists so that everything an upgrade has to *decide* can be decided, printed and tested
//! without a node, a disk or a clock. It must never touch a file, a process, the environment, the
//! network or the time: texts and facts come in as values, and values or reasons go out.
//!
//! | module | what it knows | where its data comes from |
//! |---|---|---|
//! | [`vsn`] | what a release version may look like | `REL_VSN`, hop files, the marker |
//! | [`precedence`] | which of two versions is the later one, where they tell | the versions |
//! | [`layout`] | every path of a release tree | the root directories |
//! | [`marker`] | `relup/current` | its bytes |
//! | [`vars`] | `releases/emqx_vars` | its text, and a look-up for the environment |
//! | [`build_info`] | `releases/<vsn>/BUILD_INFO` | its text |
//! | [`term`] | Erlang literals in text form, terms in the external format | `.relup` and `.rel` files, modules |
//! | [`beam`] | compiled modules: code, imports, exports, what a process's state is | their bytes |
//! | [`app_file`] | `lib/<app>/ebin/<app>.app` | its text |
//! | [`appup_file`] | `lib/<app>/ebin/<app>.appup` | its text |
//! | [`rel_file`] | `releases/<vsn>/<name>.rel` | its text |
//! | [`hop`] | `*.relup` files | their text |
//! | [`sidecar`] | `<tarball>.sha256` | its bytes |
//! | [`journal`] | `relup/journal.jsonl` | its bytes |
//! | [`assessment`] | `relup/assessment.json` | its bytes |
//! | [`manifest`] | `relup/<vsn>.manifest` | its text |
//! | [`compat`] | may this target replace that release | the two `BUILD_INFO`s and a few facts |
//! | [`node`] | the data that crosses to and from a running node | the node |

pub mod app_file;
pub mod appup_file;
pub mod assessment;
pub mod beam;
pub mod build_info;
pub mod compat;
pub mod hop;
pub mod journal;
mod jsonl;
pub mod layout;
pub mod manifest;
pub mod marker;
pub mod node;
pub mod precedence;
pub mod rel_file;
pub mod releases_file;
pub mod sidecar;
pub mod term;
pub mod vars;
pub mod vsn;
