//! Peers that shake hands well and misbehave afterwards, and peers that lack what OTP has had since
//! release 23.

use crate::support::{Node, PATIENCE};
use erl_dist::handshake::{HandshakeStatus, ServerSideHandshake};
use erl_dist::node::{Creation, LocalNode};
use futures::executor::block_on;
use futures::io::AllowStdIo;
use shims::cookie::Cookie;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError, Port, Target};
use shims::node_name::NodeName;
use shims::term::{as_tuple, atom, int};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const NAME: &str = "hostile@127.0.0.1";

/// A peer that accepts one client and then does `act` with the stream.
fn peer(act: impl FnOnce(TcpStream) + Send + 'static) -> Target {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client comes");
        let shared = stream.try_clone().expect("a socket can be shared");
        let mut local = LocalNode::new(NAME.parse().expect("a good name"), Creation::random());
        local.flags |= erl_dist::DistributionFlags::SPAWN;
        let mut handshake = ServerSideHandshake::new(AllowStdIo::new(stream), local, "biscuit");
        block_on(async {
            handshake.execute_recv_name().await.expect("a name");
            handshake
                .execute_rest(HandshakeStatus::Ok)
                .await
                .expect("the cookie is right");
        });
        act(shared);
    });
    Target {
        name: NodeName::parse(NAME).expect("a good name"),
        cookie: Cookie::new("biscuit".to_owned()),
        host: "127.0.0.1".to_owned(),
        port: Port::Fixed(port),
        ipv6: false,
        tls: None,
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short frame");
    [&length.to_be_bytes()[..], body].concat()
}

fn call(target: &Target) -> Result<CallOutcome, DistError> {
    let mut connection = Connection::connect(target, PATIENCE).expect("it shakes hands");
    let options = CallOptions {
        timeout: Some(PATIENCE),
        console: None,
    };
    connection.call("erlang", "node", vec![], options)
}

/// Lists within lists: a tuple `{1, [[[...]]]}` as a link message.
fn deep_frame(levels: usize) -> Vec<u8> {
    let mut body = vec![112, 131, 104, 3, 97, 1];
    for _ in 0..levels {
        body.extend([108, 0, 0, 0, 1]);
    }
    body.push(106);
    body.extend(std::iter::repeat_n(106, levels));
    body.push(106);
    frame(&body)
}

#[test]
fn frames_that_make_no_sense_are_errors_and_cost_no_memory() {
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("a length of 4 GiB", vec![0xFF; 4]),
        (
            "a length just above the limit",
            (256u32 * 1024 * 1024 + 1).to_be_bytes().to_vec(),
        ),
        ("another first byte", frame(&[1, 2, 3])),
        ("no terms", frame(&[112])),
        ("no tuple", frame(&[112, 131, 106])),
        ("no operation", frame(&[112, 131, 104, 1, 106])),
        ("half an operation", frame(&[112, 131, 104, 2, 97, 21])),
        (
            "a message to a pid without the message",
            frame(&[112, 131, 104, 3, 97, 2, 106, 106]),
        ),
        (
            "a list of 4 billion",
            frame(&[112, 131, 104, 2, 97, 1, 108, 255, 255, 255, 255]),
        ),
        (
            "a tuple of 4 billion",
            frame(&[112, 131, 105, 255, 255, 255, 255, 97, 1]),
        ),
        (
            "a map of 4 billion",
            frame(&[112, 131, 104, 2, 97, 1, 116, 255, 255, 255, 255]),
        ),
        (
            "a binary of 4 GiB",
            frame(&[112, 131, 104, 2, 97, 1, 109, 255, 255, 255, 255]),
        ),
        (
            "a big integer of 4 GiB",
            frame(&[112, 131, 104, 2, 97, 1, 111, 255, 255, 255, 255, 0]),
        ),
        ("a cached atom", frame(&[112, 131, 104, 2, 97, 1, 82, 0])),
        (
            "a compressed term",
            frame(&[112, 131, 80, 0, 0, 0, 1, 120, 156]),
        ),
        ("a distribution header", frame(&[131, 68, 0])),
        (
            "an atom that is not UTF-8",
            frame(&[112, 131, 104, 2, 97, 1, 119, 1, 0xFF]),
        ),
        (
            "bits of nothing",
            frame(&[112, 131, 104, 2, 97, 1, 77, 0, 0, 0, 0, 3]),
        ),
        (
            "nine bits of a byte",
            frame(&[112, 131, 104, 2, 97, 1, 77, 0, 0, 0, 1, 9, 0]),
        ),
        ("terms nested 2 million deep", deep_frame(2_000_000)),
    ];
    for (what, bytes) in frames {
        let target = peer(move |mut stream| {
            let _ = stream.write_all(&bytes);
            let _ = stream.read(&mut [0; 1024]);
            std::thread::sleep(Duration::from_secs(1));
        });
        let outcome = call(&target);
        assert!(
            matches!(outcome, Err(DistError::Protocol(_))),
            "{what}: {outcome:?}"
        );
    }
}

#[test]
fn frames_that_concern_nobody_are_passed_over() {
    let strange = [
        // Deep, but never decoded; exits, a group leader, an operation of the future.
        deep_frame(900_000),
        frame(&[112, 131, 104, 4, 97, 3, 106, 106, 106]),
        frame(&[112, 131, 104, 3, 97, 7, 106, 106]),
        frame(&[112, 131, 104, 2, 97, 99, 106]),
        // An answer to a call that was never made.
        frame(&[112, 131, 104, 5, 97, 21, 106, 106, 106, 106]),
        // A message to a pid that is none.
        frame(&[112, 131, 104, 3, 97, 2, 106, 106, 131, 106]),
        frame(&[]),
    ];
    let target = peer(move |mut stream| {
        for frame in strange {
            let _ = stream.write_all(&frame);
        }
        // Deep terms in a link to nobody are answered: that is read before the end.
        let _ = stream.read(&mut [0; 1024]);
    });
    let outcome = call(&target).expect("nothing of it is an error");
    assert_eq!(outcome, CallOutcome::NodeDown);
}

#[test]
fn a_peer_that_falls_silent_in_the_middle_of_a_frame_does_not_hang_a_call_with_a_timeout() {
    let target = peer(|mut stream| {
        let _ = stream.write_all(&[0, 0, 1, 0, 112, 131]);
        std::thread::sleep(PATIENCE);
    });
    let mut connection = Connection::connect(&target, PATIENCE).expect("it shakes hands");
    let begun = Instant::now();
    let options = CallOptions {
        timeout: Some(Duration::from_millis(300)),
        console: None,
    };
    let outcome = connection.call("erlang", "node", vec![], options);
    assert_eq!(outcome.expect("it is no error"), CallOutcome::Timeout);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn ticks_are_answered() {
    let (answered, answer) = std::sync::mpsc::channel();
    let target = peer(move |mut stream| {
        // The request of the call comes first.
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("a request");
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).expect("a request");
        for _ in 0..3 {
            stream.write_all(&[0; 4]).expect("the client reads");
            let mut tick = [1; 4];
            stream.read_exact(&mut tick).expect("an answer");
            answered.send(tick).expect("the test waits");
        }
    });
    assert_eq!(
        call(&target).expect("it is no error"),
        CallOutcome::NodeDown
    );
    assert_eq!(answer.iter().collect::<Vec<_>>(), [[0; 4]; 3]);
}

/// A relay in front of a node that takes a flag out of what the node says it can do. The digest of
/// the handshake does not cover the flags.
fn without_spawn(node: &Node) -> Target {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let behind = node.port();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the client comes");
        let mut server = TcpStream::connect(("127.0.0.1", behind)).expect("the node is up");
        let (mut to_server, mut from_client) = (
            server.try_clone().expect("shared"),
            client.try_clone().expect("shared"),
        );
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        for _ in 0..2 {
            let mut length = [0; 2];
            server
                .read_exact(&mut length)
                .expect("a message of the handshake");
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            server
                .read_exact(&mut message)
                .expect("a message of the handshake");
            if message[0] == b'N' {
                // SPAWN is the lowest bit of the upper half.
                message[4] &= !1;
            }
            client
                .write_all(&[&length[..], &message].concat())
                .expect("the client reads");
        }
        let _ = std::io::copy(&mut server, &mut client);
    });
    Target {
        port: Port::Fixed(port),
        ..node.target.clone()
    }
}

#[test]
fn a_node_without_spawn_requests_is_called_through_its_rex_server() {
    let node = Node::start();
    let mut connection =
        Connection::connect(&without_spawn(&node), PATIENCE).expect("the node is up");
    let mut ends = |how: &str| {
        connection
            .call(
                "shims_test",
                "ends",
                vec![atom(how)],
                CallOptions::default(),
            )
            .expect("the call is made")
    };
    assert!(matches!(ends("return"), CallOutcome::Return(_)));
    // For `rpc` a thrown value is like a returned one.
    assert_eq!(ends("throw"), CallOutcome::Return(atom("thrown")));
    assert_eq!(ends("exit"), CallOutcome::Exit(atom("exited")));
    let CallOutcome::Error(reason) = ends("error") else {
        panic!("it is an error")
    };
    assert_eq!(
        as_tuple(&reason).map(|parts| &parts[0]),
        Some(&atom("failed"))
    );
    let tape = crate::support::Tape::default();
    let words = ["echo".to_owned(), "é".to_owned()];
    let outcome = shims::command::ctl(&mut connection, &words, &mut tape.console());
    assert_eq!(
        outcome.expect("the call is made"),
        shims::command::CommandOutcome::Ok
    );
    assert_eq!(tape.shown(), "é\n");
    let options = CallOptions {
        timeout: Some(Duration::from_millis(100)),
        console: None,
    };
    let slow = connection.call("timer", "sleep", vec![int(5000)], options);
    assert_eq!(slow.expect("the call is made"), CallOutcome::Timeout);
}
