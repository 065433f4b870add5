//! Where each client connects to and, if that is given or needed, which address it comes from.
//!
//! A connection over TCP takes a port of the address that it comes from, of which there are some 28,000 for each endpoint
//! that it goes to. On the loopback interface every address of 127.0.0.0/8 is this machine's, so zload's own engine takes
//! as many as it needs; elsewhere `clients.sources` names them.

use std::fs::read_to_string;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use crate::Error;
use zload_core::scenario::{ClientEngine, Endpoints};

/// What the kernel's default leaves for connections, in case it does not say what is set.
const USUAL_PORTS: u32 = 28_232;

/// The ways of the clients that are played here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    endpoints: Endpoints,
    sources: Vec<IpAddr>,
    /// From one client that is played here to the next, by their numbers.
    stride: u32,
    /// Its connections end by a reset, so that none keeps its port for a minute.
    resets: bool,
}

/// What is to be spread over endpoints and addresses.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Clients that are played here.
    pub clients: u32,
    /// Shards of the run: one in this many clients is played here.
    pub shards: u32,
    /// Who speaks ZMTP for them.
    pub engine: ClientEngine,
}

impl Routes {
    /// Spreads these clients over the endpoints, and over `sources` if any are given.
    pub fn new(endpoints: Endpoints, sources: &[IpAddr], crowd: Crowd) -> Result<Self, Error> {
        Self::with_ports(endpoints, sources, crowd, local_ports())
    }

    /// All clients to one endpoint, from where the kernel chooses.
    #[cfg(test)]
    pub(crate) fn to(endpoint: impl Into<String>) -> Self {
        let endpoints = Endpoints::from(endpoint.into());
        Self { endpoints, sources: Vec::new(), stride: 1, resets: false }
    }

    fn with_ports(
        endpoints: Endpoints,
        given: &[IpAddr],
        crowd: Crowd,
        ports: u32,
    ) -> Result<Self, Error> {
        for source in given {
            ensure_own(*source)?;
            for endpoint in endpoints.all() {
                ensure_alike(*source, endpoint)?;
            }
        }
        let mut routes =
            Self { endpoints, sources: given.to_vec(), stride: crowd.shards, resets: false };
        let all = routes.endpoints.all();
        if !all.iter().any(|endpoint| endpoint.starts_with("tcp://")) {
            return Ok(routes);
        }
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let at_each = crowd.clients.div_ceil(number);
        let is_near = all.iter().all(|endpoint| is_loopback(endpoint));
        // The kernel finds a free port quickly as long as half of them are.
        let comfortable = (ports / 2).max(1);
        if given.is_empty()
            && crowd.engine == ClientEngine::Zmtp
            && is_near
            && at_each > comfortable
        {
            let first = u32::from(Ipv4Addr::LOCALHOST);
            let needed = at_each.div_ceil(comfortable);
            routes.sources =
                (first..first + needed).map(|bits| Ipv4Addr::from(bits).into()).collect();
        }
        let sources = u32::try_from(routes.sources.len().max(1)).unwrap_or(u32::MAX);
        // libzmq binds before it connects, so that a port of a source serves one connection, wherever it goes.
        let is_bound = crowd.engine == ClientEngine::Libzmq && !routes.sources.is_empty();
        let from_each = if is_bound { crowd.clients } else { at_each }.div_ceil(sources);
        if from_each > ports {
            return Err(too_few_ports(from_each, ports, &routes));
        }
        routes.resets = !is_near && from_each > ports / 4;
        Ok(routes)
    }

    /// All endpoints.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Whether connections are to end by a reset: there are enough of them that their ports would be missing in the next run, as
    /// the kernel keeps each for a minute after a regular end (`TIME_WAIT`); on loopback it is a second.
    pub fn resets(&self) -> bool {
        self.resets
    }

    /// Which endpoint a client connects to, by its place in the list, and where it comes from.
    pub fn of(&self, client: u32) -> (usize, Option<IpAddr>) {
        // Of those that are played here, whatever their numbers are: else shards might leave endpoints out.
        let place = (client / self.stride) as usize;
        let endpoints = self.endpoints.all().len();
        let source = match self.sources.len() {
            0 => None,
            sources => Some(self.sources[place / endpoints % sources]),
        };
        (place % endpoints, source)
    }

    /// Where a client connects to.
    pub fn endpoint_of(&self, client: u32) -> &str {
        &self.endpoints.all()[self.of(client).0]
    }

    /// The same as libzmq takes it, with where it comes from.
    pub fn for_libzmq(&self, client: u32) -> String {
        let endpoint = self.endpoint_of(client);
        match (self.of(client).1, endpoint.strip_prefix("tcp://")) {
            (Some(source), Some(address)) => {
                format!("tcp://{};{address}", SocketAddr::new(source, 0))
            }
            _ => endpoint.to_owned(),
        }
    }
}

fn too_few_ports(needed: u32, ports: u32, routes: &Routes) -> Error {
    let from = match routes.sources.len() {
        0 => "the address that they come from".to_owned(),
        1 => routes.sources[0].to_string(),
        sources => format!("each of {sources} addresses that they come from"),
    };
    Error::Limit(format!(
        "{needed} clients need as many ports of {from}, and there are {ports} (net.ipv4.ip_local_port_range): name more addresses of this machine in clients.sources or more endpoints in proxy.frontend, widen that range, or lower clients.count"
    ))
}

/// Whether connections can come from an address: it is this machine's.
fn ensure_own(source: IpAddr) -> Result<(), Error> {
    let bound = TcpListener::bind((source, 0));
    bound.map(drop).map_err(|error| {
        Error::Limit(format!("clients.sources: no connection can come from {source}: {error}"))
    })
}

/// Whether both are addresses of IPv4, or both of IPv6.
fn ensure_alike(source: IpAddr, endpoint: &str) -> Result<(), Error> {
    let version = |is_ipv4: bool| if is_ipv4 { "IPv4" } else { "IPv6" };
    let mut addresses = addresses(endpoint);
    if addresses.is_empty() || addresses.iter().any(|to| to.is_ipv4() == source.is_ipv4()) {
        return Ok(());
    }
    Err(Error::Limit(format!(
        "clients.sources: no connection goes from {source}, which is of {}, to {endpoint}, which is of {}",
        version(source.is_ipv4()),
        version(addresses.remove(0).is_ipv4())
    )))
}

/// The addresses of an endpoint over TCP; none if it has none.
fn addresses(endpoint: &str) -> Vec<SocketAddr> {
    let address = endpoint.strip_prefix("tcp://").map(str::to_socket_addrs);
    address.and_then(Result::ok).into_iter().flatten().collect()
}

/// Whether an endpoint is on the loopback interface of IPv4, which has many addresses; one of IPv6 has one.
fn is_loopback(endpoint: &str) -> bool {
    let is_near = |address: SocketAddr| address.is_ipv4() && address.ip().is_loopback();
    !endpoint.starts_with("tcp://") || addresses(endpoint).into_iter().any(is_near)
}

/// How many ports the kernel gives out for connections from one address to one endpoint.
fn local_ports() -> u32 {
    let range = read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_whitespace().map_while(|end| end.parse::<u32>().ok());
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        _ => USUAL_PORTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: &str = "tcp://127.0.0.1:5";
    const FAR: &str = "tcp://192.0.2.1:5";

    fn routes(
        endpoints: &[&str],
        sources: &[IpAddr],
        (clients, engine): (u32, ClientEngine),
    ) -> Result<Routes, String> {
        let endpoints = endpoints.iter().map(|endpoint| (*endpoint).to_owned()).collect();
        Routes::with_ports(endpoints, sources, Crowd { clients, shards: 1, engine }, 1000)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn clients_are_spread_over_endpoints_and_then_over_sources() {
        let sources: Vec<IpAddr> = ["127.0.0.7", "127.0.0.8"].map(|ip| ip.parse().unwrap()).into();
        let both =
            routes(&[NEAR, "tcp://127.0.0.2:6"], &sources, (8, ClientEngine::Libzmq)).unwrap();
        let ways: Vec<String> = (0..5).map(|client| both.for_libzmq(client)).collect();
        assert_eq!(ways[0], "tcp://127.0.0.7:0;127.0.0.1:5");
        assert_eq!(ways[1], "tcp://127.0.0.7:0;127.0.0.2:6");
        assert_eq!(ways[2], "tcp://127.0.0.8:0;127.0.0.1:5");
        assert_eq!(ways[4], ways[0]);
        let shard = Routes { stride: 2, ..both };
        let used: Vec<usize> = [1, 3, 5, 7].map(|client| shard.of(client).0).into();
        assert_eq!(used, [0, 1, 0, 1], "a shard of every other client reaches both");
        assert_eq!(
            routes(&["ipc:///a"], &[], (9, ClientEngine::Zmtp)).unwrap().for_libzmq(5),
            "ipc:///a"
        );
    }

    #[test]
    fn loopback_has_as_many_addresses_as_it_takes() {
        let of = |clients, engine| routes(&[NEAR], &[], (clients, engine));
        assert_eq!(of(500, ClientEngine::Zmtp).unwrap().sources.len(), 0);
        let more = of(5_000, ClientEngine::Zmtp).unwrap();
        assert_eq!(more.sources.len(), 10);
        assert_eq!(more.of(9).1, Some("127.0.0.10".parse().unwrap()));
        assert!(!more.resets(), "the kernel gives their ports back soon");
        let libzmq = of(5_000, ClientEngine::Libzmq).unwrap_err();
        assert!(
            libzmq.contains("5000 clients need as many ports")
                && libzmq.contains("clients.sources")
        );
        let mut endpoints = [NEAR; 5];
        endpoints[4] = "tcp://127.0.0.1:6";
        assert!(routes(&endpoints, &[], (5_000, ClientEngine::Libzmq)).is_ok());
    }

    #[test]
    fn elsewhere_ports_are_counted_and_given_back() {
        let of =
            |clients, sources: &[IpAddr]| routes(&[FAR], sources, (clients, ClientEngine::Zmtp));
        assert!(of(1_001, &[]).unwrap_err().contains("1001 clients"));
        assert!(of(1_000, &[]).unwrap().resets() && !of(250, &[]).unwrap().resets());
        let own: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2"].map(|ip| ip.parse().unwrap()).into();
        assert!(of(2_000, &own).is_ok() && of(2_001, &own).is_err());
        let refused = of(5, &["192.0.2.77".parse().unwrap()]).unwrap_err();
        assert!(refused.contains("no connection can come from 192.0.2.77"), "{refused}");
        let refused = of(5, &["::1".parse().unwrap()]).unwrap_err();
        assert!(refused.contains("from ::1, which is of IPv6, to tcp://192.0.2.1:5"), "{refused}");
        let one = of(1_001, &own[..1]).unwrap_err();
        assert!(one.contains("as many ports of 127.0.0.1,"), "{one}");
    }
}
