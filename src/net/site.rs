//! The names by which browsers may reach the page: what the machine is called, what its certificate
//! says, and what the operator gave. What they are for is `dialect::http`'s.

use rustix::system::uname;

use crate::config::Config;
use crate::dialect::http::Site;

use super::tls::TlsSetup;

/// The page, and whom it takes this server for.
pub(super) fn site(config: &Config, tls: Option<&TlsSetup>) -> Site {
    let machine = uname().nodename().to_string_lossy().into_owned();
    let mut names = Site::machine_names(&machine);
    names.extend(config.web_names.iter().cloned());
    names.extend(tls.into_iter().flat_map(TlsSetup::names).cloned());
    Site::new(names)
}
