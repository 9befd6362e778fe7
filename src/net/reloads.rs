//! `Reloads`: what comes from files and is read again when the operator asks: the certificate and its
//! key, the password, the message of the day. How each is read is `tls`'s and `entrance`'s. Owned by
//! the server.

use log::{info, warn};

use crate::hub::Hub;

use super::conn::Conns;
use super::entrance::Entrance;
use super::reread::Reread;
use super::tls::TlsSetup;

/// See the file.
#[derive(Debug)]
pub struct Reloads {
    tls: Option<TlsSetup>,
    entrance: Entrance,
}

impl Reloads {
    /// As they were read at the start.
    pub fn new(tls: Option<TlsSetup>, entrance: Entrance) -> Reloads {
        Reloads { tls, entrance }
    }

    /// The terms of TLS, where it is spoken.
    pub(super) fn tls(&self) -> Option<&TlsSetup> {
        self.tls.as_ref()
    }

    /// From now on whoever comes must know the password, and is told the message of the day.
    pub(super) fn open_entrance(&self, hub: &mut Hub) {
        self.entrance.open(hub);
    }

    /// Reads all of it again. With any fault in one of them that one stays as it was. What came of each
    /// is said in the log, and given back.
    pub(super) fn reload(&mut self, conns: &mut Conns, hub: &mut Hub) -> Vec<Reread> {
        info!("asked to reload");
        let mut came = Vec::new();
        if let (Some(setup), Some(streams)) = (&mut self.tls, conns.tls_mut()) {
            came.extend(setup.reload());
            streams.set_config(setup.config());
        }
        came.extend(self.entrance.reload(hub));
        for reread in &came {
            match reread {
                Ok(said) => info!("{said}"),
                Err(said) => warn!("{said}"),
            }
        }
        if let Some(setup) = self.tls.as_ref().filter(|_| !came.is_empty()) {
            setup.warn();
        }
        came
    }
}
