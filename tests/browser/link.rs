//! [`Link`]: a way to a server that can be cut, as a cable can: what is under way in it is lost. Owned
//! by the test that laid it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// See the file.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    is_up: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// Lays one to this server.
    pub fn to(server: SocketAddr) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            is_up: AtomicBool::new(true),
            streams: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        // Ends with the process.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if own.is_up.load(Ordering::SeqCst)
                    && let Ok(far) = TcpStream::connect(server)
                {
                    own.join(near, far);
                }
            }
        });
        Link { address, shared }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts whatever goes through, and lets nobody through.
    pub fn cut(&self) {
        self.shared.is_up.store(false, Ordering::SeqCst);
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Mends it.
    pub fn mend(&self) {
        self.shared.is_up.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn join(&self, near: TcpStream, far: TcpStream) {
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        self.streams.lock().unwrap().extend([near, far]);
    }
}
