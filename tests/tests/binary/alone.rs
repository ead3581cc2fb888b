//! The program in one file, where nothing else is installed: a root folder with the program,
//! what tells it of names, and the kernel's random numbers, which every container has.
//!
//! `make test` looks at the program of the tests, linked so, and `make verify-static` at the
//! release. Who is not root needs to be allowed a user namespace.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use hyper::StatusCode;
use testkit::{Folder, StudioService};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);
/// Who is asked for names in the tests. Of this machine, and nobody else's.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 53);
/// Where Debian's `ca-certificates` keeps them, which cargo needs as well.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A root folder with the program.
struct Root(Folder);

const ENTER: &str = r#"
    root=$1
    shift
    mkdir -p "$root/dev"
    for device in random:8 urandom:9; do
        file=$root/dev/${device%:*}
        if [ "$AS" = root ]; then
            [ -e "$file" ] || mknod -m 666 "$file" c 1 "${device#*:}"
        else
            : > "$file"
            mount --bind "/dev/${device%:*}" "$file"
        fi
    done
    exec chroot "$root" "$@"
"#;

impl Root {
    fn new() -> Self {
        let root = Self(Folder::new());
        fs::copy(tests::static_binary(), root.0.join("grantline")).unwrap();
        fs::create_dir(root.0.join("etc")).unwrap();
        root.write("webhook.secret", "secret");
        root
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    /// The program in it. Ends with the handle of its process.
    fn grantline(&self, arguments: &[&str]) -> Command {
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if !is_root {
            command.args(["unshare", "--user", "--map-root-user", "--mount"]);
        }
        command
            .args(["sh", "-euc", ENTER, "sh"])
            .arg(self.0.path())
            .arg("/grantline")
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("AS", if is_root { "root" } else { "another" })
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Plays an order against a receiver of webhooks.
    async fn plays(&self, url: &str, variable: Option<(&str, &str)>) -> Output {
        let secret = ["--secret-file", "/webhook.secret", "--project", "7"];
        let mut play = self.grantline(&["play", "paid", "--forward-to", url]);
        play.args(secret).envs(variable);
        timeout(PATIENCE, play.output()).await.unwrap().unwrap()
    }
}

/// Whether the file asks for a program to load it, as one does that needs shared libraries.
fn has_interpreter(elf: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    assert_eq!(elf[..6], *b"\x7fELF\x02\x01", "64 bits, little end first");
    let number = |at: usize, bytes: usize| {
        let digits = elf[at..at + bytes].iter().rev();
        digits.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let place = |at, bytes| usize::try_from(number(at, bytes)).unwrap();
    let (table, size, count) = (place(32, 8), place(54, 2), place(56, 2));
    (0..count).any(|entry| number(table + entry * size, 4) == u64::from(INTERPRETER))
}

#[test]
fn the_program_in_one_file_needs_no_other_file_to_be_loaded() {
    assert!(!has_interpreter(&fs::read(tests::static_binary()).unwrap()));
    // The usual build does, or this test would see nothing.
    assert!(has_interpreter(&fs::read(tests::fresh_binary()).unwrap()));
}

#[tokio::test]
async fn an_order_is_granted_where_nothing_is_installed() {
    let root = Root::new();
    let listen = tests::LISTENERS.map(|role| {
        let key = format!("GRANTLINE__{role}__LISTEN");
        (key, "127.0.0.1:0")
    });
    let mut process = root
        .grantline(&["serve", "--play", "--data", "/data"])
        .envs(listen)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
    let granted = async {
        while let Some(line) = told.next_line().await.unwrap() {
            if line.starts_with("Everything came as expected") {
                return true;
            }
        }
        false
    };
    let granted = timeout(PATIENCE, granted).await;
    assert!(granted.expect("it ends in time"));
}

#[tokio::test]
async fn names_are_found_in_hosts_and_asked_of_dns_where_nothing_is_installed() {
    let receiver = StudioService::start().await;
    receiver.answer("/hooks", StatusCode::NO_CONTENT, "");
    let url = receiver.url();
    let (_, port) = url.rsplit_once(':').unwrap();
    let root = Root::new();
    let named = async |name: &str| {
        let url = format!("http://{name}:{port}/hooks");
        root.plays(&url, None).await
    };
    let unknown = named("in-hosts.test").await;
    let said = String::from_utf8(unknown.stdout).unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("failed to lookup address"), "{said}");
    assert_eq!(receiver.asked(), []);

    root.write("etc/hosts", "127.0.0.1 in-hosts.test\n");
    let found = named("in-hosts.test").await;
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    assert!(!receiver.asked().is_empty());

    // Whoever may not have the port of DNS cannot know more.
    let Ok(socket) = UdpSocket::bind((RESOLVER, 53)).await else {
        return;
    };
    let resolver = tokio::spawn(resolve(socket));
    root.write("etc/resolv.conf", &format!("nameserver {RESOLVER}\n"));
    let found = named("in-dns.test").await;
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    resolver.abort();
}

/// Answers every question for an address with this machine.
async fn resolve(socket: UdpSocket) {
    const ADDRESS: [u8; 2] = [0, 1];
    let mut question = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut question).await.unwrap();
        // Twelve bytes of head, the name to its empty label, type and class.
        let name_ends = question[12..].iter().position(|byte| *byte == 0).unwrap();
        let asked = &question[12..length.min(12 + name_ends + 5)];
        let has_address = asked[asked.len() - 4..][..2] == ADDRESS;
        let mut answer = question[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
        answer.extend(asked);
        if has_address {
            // The same name, an address, for five seconds.
            answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
        }
        socket.send_to(&answer, from).await.unwrap();
    }
}

#[tokio::test]
async fn https_where_there_are_no_root_certificates_says_what_to_do() {
    let root = Root::new();
    let url = "https://127.0.0.1:9/hooks";
    let refused = root.plays(url, None).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("no root certificates"), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");

    fs::copy(CERTIFICATES, root.0.join("roots.pem")).unwrap();
    let tried = root.plays(url, Some(("SSL_CERT_FILE", "/roots.pem"))).await;
    let said = String::from_utf8(tried.stderr).unwrap();
    assert!(!said.contains("no root certificates"), "{said}");
    let said = String::from_utf8(tried.stdout).unwrap();
    assert!(said.contains("nobody can be reached at https:"), "{said}");
}
