//! A line between two parties that a test can cut, hold up and mend.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What becomes of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// They wait, and nobody is told.
    Held,
    /// Connections are closed, new ones at once.
    Cut,
}

struct Shared {
    target: String,
    mode: Mutex<Mode>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

/// See the module's text. It ends when it is dropped.
pub struct Line {
    port: u16,
    shared: Arc<Shared>,
}

impl Line {
    /// A line to `target`, such as `127.0.0.1:6379`.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let own = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.ended.load(Ordering::SeqCst) {
                    return;
                }
                // Whatever goes wrong is what a party sees on a bad line.
                let _ = own.connect(stream);
            }
        });
        Self { port, shared }
    }

    /// Where it begins.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Closes all connections, and new ones at once.
    pub fn cut(&self) {
        self.shared.turn(Mode::Cut);
    }

    /// Lets bytes wait.
    pub fn hold(&self) {
        self.shared.turn(Mode::Held);
    }

    /// All is well again.
    pub fn mend(&self) {
        self.shared.turn(Mode::Open);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut();
        // The thread that listens notices at its next connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn turn(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
        self.changed.notify_all();
        if mode == Mode::Cut {
            for stream in self.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn connect(self: &Arc<Self>, near: TcpStream) -> std::io::Result<()> {
        if *self.mode.lock().unwrap() == Mode::Cut {
            return Ok(());
        }
        let far = TcpStream::connect(&self.target)?;
        self.open
            .lock()
            .unwrap()
            .extend([near.try_clone()?, far.try_clone()?]);
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            let shared = self.clone();
            thread::spawn(move || shared.carry(from, to));
        }
        Ok(())
    }

    /// Carries bytes one way until either end closes or the line is cut.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            let mode = self.mode.lock().unwrap();
            let mode = *self.changed.wait_while(mode, |mode| *mode == Mode::Held).unwrap();
            if mode == Mode::Cut || to.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
