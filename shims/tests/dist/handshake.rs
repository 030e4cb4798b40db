//! Getting connected, and the reasons for not getting connected.

use crate::support::{Node, PATIENCE, connect_error, free_port};
use shims::cookie::Cookie;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError, Port, Target};
use shims::node_name::NodeName;
use shims::term::{Term, as_text, as_tuple, atom};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn target(host: &str, port: Port) -> Target {
    Target {
        name: NodeName::parse("emqx@127.0.0.1").expect("a good name"),
        cookie: Cookie::new("biscuit".to_owned()),
        host: host.to_owned(),
        port,
        ipv6: false,
        tls: None,
    }
}

#[test]
fn the_client_is_a_hidden_node_with_a_name_that_nobody_connects_back_to() {
    let node = Node::start();
    let mut connection = node.connect();
    assert_eq!(connection.peer_name(), node.target.name.to_string());
    let args = vec![connection.pid()];
    let told = connection.call("shims_test", "tell_reference", args, CallOptions::default());
    let told = told.expect("the node is up");
    let CallOutcome::Return(told) = told else {
        panic!("{told:?}")
    };
    let parts = as_tuple(&told).expect("a tuple");
    let name = as_text(&parts[0]).expect("a name");
    assert!(
        name.starts_with("remsh") && name.ends_with("@127.0.0.1"),
        "{name}"
    );
    assert_eq!(parts[1..], [atom("pong"), atom("false"), atom("true")]);
}

#[test]
fn a_node_with_a_short_name_is_reached_by_it() {
    let node = Node::start_as("-sname", "localhost", &[]);
    let connection = node.connect();
    let short = connection.peer_name().split('@').next().map(str::to_owned);
    assert_eq!(short.as_deref(), Some(node.target.name.short()));
}

#[test]
fn a_node_on_ipv6_is_reached() {
    let node = Node::start_as("-name", "::1", &["-proto_dist", "inet6_tcp"]);
    assert_eq!(node.connect().peer_name(), node.target.name.to_string());
}

#[test]
fn a_wrong_cookie_is_called_that() {
    let node = Node::start();
    let wrong = Target {
        cookie: Cookie::new("other".to_owned()),
        ..node.target.clone()
    };
    let error = connect_error(&wrong, PATIENCE);
    assert!(
        matches!(error, DistError::CookieRejected { .. }),
        "{error:?}"
    );
}

#[test]
fn another_node_on_the_port_is_not_taken_for_the_one_that_is_meant() {
    let node = Node::start();
    let name = NodeName::parse("other@127.0.0.1").expect("a good name");
    let error = connect_error(
        &Target {
            name,
            ..node.target.clone()
        },
        PATIENCE,
    );
    let found = node.target.name.to_string();
    assert!(
        matches!(&error, DistError::WrongNode { found: f, .. } if *f == found),
        "{error:?}"
    );
}

#[test]
fn nobody_listening_is_unreachable_and_an_unknown_host_is_unknown() {
    let refused = connect_error(&target("127.0.0.1", Port::Fixed(free_port())), PATIENCE);
    assert!(
        matches!(refused, DistError::Unreachable { .. }),
        "{refused:?}"
    );
    let unknown = connect_error(&target("no-such-host.invalid", Port::Fixed(1)), PATIENCE);
    assert!(
        matches!(unknown, DistError::NameUnknown { .. }),
        "{unknown:?}"
    );
    // A network that is kept for documentation: nothing answers, or there is no route.
    let dead = connect_error(
        &target("192.0.2.1", Port::Fixed(4370)),
        Duration::from_millis(300),
    );
    assert!(matches!(dead, DistError::Unreachable { .. }), "{dead:?}");
}

#[test]
fn a_peer_that_accepts_and_says_nothing_does_not_hang_the_client() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let begun = Instant::now();
    let error = connect_error(
        &target("127.0.0.1", Port::Fixed(port)),
        Duration::from_millis(300),
    );
    assert!(matches!(error, DistError::Unreachable { .. }), "{error:?}");
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_peer_that_sends_a_byte_now_and_then_does_not_get_round_the_deadline() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        // A status message of 2000 bytes, of which one comes every 50 ms.
        let _ = stream.write_all(&2000u16.to_be_bytes());
        while stream.write_all(b"s").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let error = connect_error(
        &target("127.0.0.1", Port::Fixed(port)),
        Duration::from_millis(400),
    );
    assert!(matches!(error, DistError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_peer_that_is_no_node_is_a_protocol_error_or_hangs_up() {
    for reply in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"",
        b"\0\x03sno",
        b"\0\x01x",
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the client comes");
            let mut name = [0; 64];
            let _ = stream.read(&mut name);
            let _ = stream.write_all(reply);
        });
        let error = connect_error(&target("127.0.0.1", Port::Fixed(port)), PATIENCE);
        let expected = matches!(error, DistError::Protocol(_) | DistError::Closed(_));
        assert!(expected, "{reply:?}: {error:?}");
        server.join().expect("the server ends");
    }
}

#[test]
fn epmd_is_asked_for_the_port_when_that_is_how_it_is_found() {
    let node = Node::start();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    let epmd = listener.local_addr().expect("it is bound").port();
    let (short, port) = (node.target.name.short().to_owned(), node.port());
    // The two answers of the daemon, by its protocol: an entry, and "no such node".
    let daemon = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("the client comes");
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a request");
            let mut request = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut request).expect("a request");
            assert_eq!(request[0], 122);
            let mut answer = vec![119, u8::from(request[1..] != *short.as_bytes())];
            if answer[1] == 0 {
                answer.extend(port.to_be_bytes());
                answer.extend([77, 0, 0, 6, 0, 5]);
                answer.extend(u16::try_from(short.len()).expect("short").to_be_bytes());
                answer.extend(short.as_bytes());
                answer.extend([0, 0]);
            }
            stream.write_all(&answer).expect("the client reads");
        }
    });
    let port = Port::Epmd {
        host: "127.0.0.1".to_owned(),
        port: epmd,
    };
    let by_epmd = Target {
        port: port.clone(),
        ..node.target.clone()
    };
    Connection::connect(&by_epmd, PATIENCE).expect("epmd knows the port");
    let unknown = connect_error(&target("127.0.0.1", port), PATIENCE);
    assert!(
        matches!(&unknown, DistError::NameUnknown { name, .. } if name == "emqx"),
        "{unknown:?}"
    );
    daemon.join().expect("both questions were asked");
}

#[test]
fn a_name_that_is_in_use_is_not_taken_over_and_another_one_is_tried() {
    let node = Node::start();
    // More than once round all names that one process tries first.
    let mut all: Vec<Connection> = (0..16).map(|_| node.connect()).collect();
    let error = connect_error(&node.target, PATIENCE);
    assert!(matches!(error, DistError::Alive { .. }), "{error:?}");
    for connection in &mut all {
        let answer = connection.call("erlang", "node", vec![], CallOptions::default());
        let name: Term = atom(&node.target.name.to_string());
        assert_eq!(
            answer.expect("it was left alone"),
            CallOutcome::Return(name)
        );
    }
}
