//! Support of the tests and the benchmark: real servers on loopback addresses, judges that share no code
//! with rcl, and a sealed runner of the binary.

pub(crate) mod bulk;
pub(crate) mod by_hand;
pub(crate) mod certs;
pub(crate) mod clock;
pub(crate) mod forwarder;
pub(crate) mod hostile;
pub(crate) mod judge;
pub(crate) mod kind;
pub(crate) mod launch;
pub(crate) mod least;
pub(crate) mod loopback;
pub(crate) mod native;
pub(crate) mod network;
pub(crate) mod rcl;
pub(crate) mod recorder;
pub(crate) mod redact;
pub(crate) mod resp;
pub(crate) mod running;
pub(crate) mod scene;
pub(crate) mod servers;
pub(crate) mod shapes;
pub(crate) mod shards;
pub(crate) mod sim;
pub(crate) mod stage;
pub(crate) mod terminal;
pub(crate) mod traffic;
pub(crate) mod views;
pub(crate) mod wait;
pub(crate) mod yaml;

pub(crate) use kind::ServerKind;
pub(crate) use rcl::Rcl;
pub(crate) use recorder::Recorder;
pub(crate) use servers::Servers;
pub(crate) use shards::Shard;
pub(crate) use stage::Stage;
