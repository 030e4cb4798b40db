//! How a node's distribution is reached: what carries it, where it listens, and which TLS options
//! hold. The VM's own arguments tell, those of a VM that runs or those that one would be started with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use shims::cookie::Cookie;
use shims::dist::{Port, Target, Tls, TlsSource};
use shims::node_name::NodeName;

use crate::error::Error;
use crate::host::environment::Environment;
use crate::node::vm_options::VmOptions;
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::sourced::{Origin, Sourced};

/// The port from which EMQX counts up where there is no epmd.
pub const DIST_BASE_PORT: u16 = 4370;

/// The port of epmd.
const EPMD_PORT: u16 = 4369;

/// EMQX's own way for nodes to find each other.
const OWN_WAY: &str = "-start_epmd false -epmd_module ekka_epmd -proto_dist ekka";

/// The ERTS of OTP 26, since which a client of TLS checks certificates unless it is told not to.
const ERTS_THAT_VERIFIES: u32 = 14;

/// Within which time nodes hear of each other unless `kernel net_ticktime` says another one.
const TICK_TIME: u64 = 60;

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listens {
    /// At a port that its name tells, counted from this one.
    ByName {
        /// The port to count from.
        base: u16,
    },
    /// At this port.
    At(u16),
    /// Where epmd says, which listens at this port.
    ByEpmd {
        /// The port of epmd.
        epmd: u16,
    },
}

/// A node's distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// `inet_tcp`, `inet6_tcp`, `inet_tls` or `inet6_tls`.
    pub proto_dist: String,
    /// Where it listens.
    pub listens: Listens,
    /// The file of TLS options; of use where the transport is TLS.
    pub ssl_options: Option<PathBuf>,
    /// Within which time a node that lives is heard (`kernel net_ticktime`).
    pub tick_time: Duration,
    /// The arguments of the VM that say how nodes find each other.
    way: Vec<String>,
}

impl Distribution {
    /// Reads a VM's arguments. `configured` is the transport where EMQX's own carrier is used and
    /// the arguments do not name one; `epmd` is where epmd is when they do not tell.
    pub fn of_arguments(
        options: VmOptions<'_>,
        configured: &str,
        epmd: Option<u16>,
    ) -> Distribution {
        let proto_dist = match options.text("-proto_dist").as_deref() {
            // Its transport is a matter of configuration.
            Some("ekka") => options
                .text("-ekka_proto_dist")
                .unwrap_or_else(|| configured.to_owned()),
            Some(other) => other.to_owned(),
            None => "inet_tcp".to_owned(),
        };
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let uses_epmd = options
            .text("-epmd_module")
            .is_none_or(|module| module == "erl_epmd");
        let listens = if let Some(port) = number(options.text("-erl_epmd_port")) {
            Listens::At(port)
        } else if uses_epmd {
            let told = number(options.text("-epmd_port"));
            Listens::ByEpmd {
                epmd: told.or(epmd).unwrap_or(EPMD_PORT),
            }
        } else {
            let told = number(options.text2("-kernel", "inet_dist_base_port"));
            Listens::ByName {
                base: told.unwrap_or(DIST_BASE_PORT),
            }
        };
        let tick_time = options.text2("-kernel", "net_ticktime");
        let tick_time = tick_time.and_then(|text| text.parse().ok());
        let way = [
            "-start_epmd",
            "-epmd_module",
            "-proto_dist",
            "-erl_epmd_port",
        ];
        let way = way
            .iter()
            .filter_map(|option| Some([(*option).to_owned(), options.text(option)?]));
        Distribution {
            proto_dist,
            listens,
            ssl_options: options.value("-ssl_dist_optfile").map(PathBuf::from),
            tick_time: Duration::from_secs(tick_time.unwrap_or(TICK_TIME)),
            way: way.flatten().collect(),
        }
    }

    /// The distribution that a node would be started with: the arguments of the generated file, and
    /// those that follow them on the command line.
    pub fn of_boot(
        env: &Environment,
        generated: &[OsString],
        way: &[String],
        proto_dist: &str,
    ) -> Distribution {
        let way = way.iter().map(OsString::from);
        let all: Vec<OsString> = generated.iter().cloned().chain(way).collect();
        let options = VmOptions::of(&all);
        let port = env.get("ERL_EPMD_PORT").and_then(|port| port.parse().ok());
        Distribution::of_arguments(options, proto_dist, port)
    }

    /// Whether nodes speak TLS to each other.
    pub fn is_tls(&self) -> bool {
        self.proto_dist.ends_with("_tls")
    }

    /// The node of that name.
    ///
    /// # Errors
    /// A name that is none; TLS without a file of options.
    pub fn target(&self, release: &Release, name: &str, cookie: &str) -> Result<Target, Error> {
        let name = NodeName::parse(name).map_err(|_| Error::NodeName {
            name: name.to_owned(),
            origin: None,
        })?;
        let host = match name.host() {
            Some(host) => host.to_owned(),
            None => own_host_name(),
        };
        let port = match self.listens {
            Listens::At(port) => Port::Fixed(port),
            Listens::ByName { base } => Port::Fixed(name.dist_port(base)),
            Listens::ByEpmd { epmd } => Port::Epmd {
                host: host.clone(),
                port: epmd,
            },
        };
        Ok(Target {
            cookie: Cookie::new(cookie.to_owned()),
            ipv6: self.proto_dist.starts_with("inet6"),
            tls: self.is_tls().then(|| self.tls(release)),
            name,
            host,
            port,
        })
    }

    fn tls(&self, release: &Release) -> Tls {
        let file = self.ssl_options.clone();
        let base = release.install.base.path();
        Tls::new(TlsSource {
            // A node that was given none has none: its own options then are those of an empty file.
            file: file.map(|file| base.join(file)),
            dir: base.to_path_buf(),
            verifies_by_default: verifies_by_default(&release.erts_vsn),
        })
    }

    /// The arguments with which another VM of the release speaks to such a node.
    pub fn vm_args(&self) -> Vec<String> {
        let mut args = self.way.clone();
        if let Some(file) = self.ssl_options.as_ref().filter(|_| self.is_tls()) {
            args.extend([
                "-ssl_dist_optfile".to_owned(),
                file.to_string_lossy().into_owned(),
            ]);
        }
        if let Listens::ByName { base } = self.listens
            && base != DIST_BASE_PORT
        {
            let port = base.to_string();
            args.extend(["-kernel", "inet_dist_base_port", &port].map(str::to_owned));
        }
        args
    }

    /// What such a VM finds in its environment.
    pub fn set_env(&self, env: &mut Environment) {
        env.set("EKKA_PROTO_DIST_MOD", &self.proto_dist);
        if let Listens::ByEpmd { epmd } = self.listens {
            env.set("ERL_EPMD_PORT", epmd.to_string());
        }
    }
}

/// How nodes find each other; `EPMD_ARGS` replaces EMQX's own way. Releases that are configured by
/// cuttlefish know `WITH_EPMD` for it.
pub fn way_to_nodes(dialect: Dialect, env: &Environment, proto_dist: &str) -> Sourced<Vec<String>> {
    let with_epmd = || {
        let asked = env.sourced("WITH_EPMD")?;
        let way = format!("-start_epmd true -proto_dist {proto_dist}");
        (dialect == Dialect::Cuttlefish).then(|| asked.map(|_| way))
    };
    env.sourced("EPMD_ARGS")
        .or_else(with_epmd)
        .unwrap_or_else(|| Sourced::new(OWN_WAY.to_owned(), Origin::Default))
        .map(|args| args.split_whitespace().map(str::to_owned).collect())
}

fn verifies_by_default(erts_vsn: &str) -> bool {
    let major = erts_vsn
        .split('.')
        .next()
        .and_then(|text| text.parse().ok());
    major.is_some_and(|major: u32| major >= ERTS_THAT_VERIFIES)
}

/// The machine's name without its domain, as short node names have it.
fn own_host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_else(|_| "localhost".into());
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or("localhost").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn of_arguments(text: &str) -> Distribution {
        Distribution::of_arguments(VmOptions::of(&words(text)), "inet_tcp", None)
    }

    #[test]
    fn the_arguments_tell_what_carries_the_distribution() {
        let check = |text: &str, expected: &str| {
            assert_eq!(of_arguments(text).proto_dist, expected, "{text}");
        };
        check("-proto_dist ekka -- -ekka_proto_dist inet_tls", "inet_tls");
        check("-proto_dist ekka", "inet_tcp");
        check("-proto_dist inet6_tls", "inet6_tls");
        // Without its own carrier EMQX's setting has no effect.
        check("-- -ekka_proto_dist inet_tls", "inet_tcp");
    }

    #[test]
    fn the_arguments_tell_where_a_node_listens() {
        let check = |text: &str, expected: Listens| {
            assert_eq!(of_arguments(text).listens, expected, "{text}");
        };
        let own = "-start_epmd false -epmd_module ekka_epmd";
        let base = "-kernel inet_dist_base_port 5370";
        check(own, Listens::ByName { base: 4370 });
        check(&format!("{base} {own}"), Listens::ByName { base: 5370 });
        check("-proto_dist inet_tcp", Listens::ByEpmd { epmd: 4369 });
        // The VM of another way registers at an epmd that is there, whether it starts one or not.
        check("-start_epmd false", Listens::ByEpmd { epmd: 4369 });
        check("-epmd_module erl_epmd", Listens::ByEpmd { epmd: 4369 });
        check("-epmd_port 5369", Listens::ByEpmd { epmd: 5369 });
        check("-start_epmd false -erl_epmd_port 5000", Listens::At(5000));
    }

    #[test]
    fn the_command_line_overrides_the_generated_arguments_and_the_environment_names_epmd() {
        let mut env = Environment::default();
        env.set("ERL_EPMD_PORT", "5369");
        let way: Vec<String> = ["-proto_dist", "inet6_tcp"].map(str::to_owned).to_vec();
        let boot =
            |generated: &str| Distribution::of_boot(&env, &words(generated), &way, "inet_tls");
        assert_eq!(boot("-proto_dist ekka").proto_dist, "inet6_tcp");
        assert_eq!(boot("").listens, Listens::ByEpmd { epmd: 5369 });
        assert_eq!(
            boot("-epmd_port 5370").listens,
            Listens::ByEpmd { epmd: 5370 }
        );
    }

    #[test]
    fn another_vm_is_given_what_it_needs_to_speak_to_the_node() {
        let check = |text: &str, expected: &str| {
            let args = of_arguments(text).vm_args().join(" ");
            assert_eq!(args, expected, "{text}");
        };
        let own = "-start_epmd false -epmd_module ekka_epmd -proto_dist ekka";
        check(own, own);
        check(
            &format!("-kernel inet_dist_base_port 5370 {own} -- -ekka_proto_dist inet_tcp"),
            &format!("{own} -kernel inet_dist_base_port 5370"),
        );
        check(
            &format!("{own} -ssl_dist_optfile /x -- -ekka_proto_dist inet_tls"),
            &format!("{own} -ssl_dist_optfile /x"),
        );
        // A file that is given has no effect on TCP.
        check(&format!("{own} -ssl_dist_optfile /x"), own);
        check("-start_epmd false", "-start_epmd false");
        let mut env = Environment::default();
        of_arguments("-epmd_port 5369").set_env(&mut env);
        assert_eq!(env.get("ERL_EPMD_PORT"), Some("5369"));
        assert_eq!(env.get("EKKA_PROTO_DIST_MOD"), Some("inet_tcp"));
    }

    #[test]
    fn certificates_are_checked_by_default_since_otp_26() {
        let check = |erts: &str, expected: bool| {
            assert_eq!(verifies_by_default(erts), expected, "{erts}");
        };
        check("13.2.2.9", false);
        check("14.0", true);
        check("15.2.7", true);
        check("", false);
    }
}
