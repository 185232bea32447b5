//! The worker's side: it founds the house, closes itself in, and serves edges as they come.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use hyper::body::Frame;
use rustls::sign::SigningKey;
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::hello::{Hello, Identity, Report, Word};
use super::lanes::{Lanes, lane_count};
use super::launcher::{ADMIN_EDGE, COURIER, EDGE, OPEN, OUTWARDS, STOP, WITH_ADMIN};
use super::reception::{self, Desk};
use super::sandbox::{self, Confinement, WorkerFiles};
use super::{channel, courier_process, signing};
use crate::door::Door;
use crate::edge::Peer;
use crate::gate::Gate;
use crate::routes::Routers;
use crate::serve::blocking_thread_count;
use crate::tls::{self, TlsMaterial};
use crate::{GateError, Opened, Stop, pipeline};

/// What holds the processes together: the worker has it.
#[derive(Debug)]
pub struct House {
    launcher: Child,
    line: OwnedFd,
    /// Bound, and passed on before it is ever used.
    listener: Option<(std::net::TcpListener, SocketAddr)>,
    /// The same, for metrics.
    metrics: Option<std::net::TcpListener>,
    /// The same, for operators.
    admin: Option<(std::net::TcpListener, SocketAddr)>,
    files: bool,
    required: bool,
    confinement: Confinement,
}

/// What the processes found closed to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsolationReport {
    /// The process that has the keys.
    pub worker: Confinement,
    /// The process that faces the network.
    pub edge: Confinement,
    /// The process that operators reach, if they have a listener of their own.
    pub admin: Option<Confinement>,
    /// The process that connects to upstreams, if there are any.
    pub courier: Option<Confinement>,
}

impl IsolationReport {
    /// Returns whether everything is closed to each of them that should be.
    fn whole(&self) -> bool {
        let all = [Some(self.worker), Some(self.edge), self.admin, self.courier];
        all.into_iter().flatten().all(|found| found == Confinement::WHOLE)
    }
}

impl House {
    /// Starts the launcher: before the keep is opened, so that nothing of it is ever near it.
    ///
    /// `launcher` is what starts [`super::run_launcher`] on this program's command line. If
    /// confinement is `required`, the gate does not open where the kernel cannot give it.
    pub fn found(launcher: &str, required: bool) -> Result<Self, GateError> {
        let cannot = |source| GateError::Edge { source };
        // A file that whoever started this left open is for this process alone.
        close_fds::set_fds_cloexec(3, &[]);
        let (line, far_line) = channel::messages().map_err(cannot)?;
        let launcher = Command::new(sandbox::OWN_PROGRAM)
            .arg(launcher)
            .env_clear()
            .stdin(Stdio::from(far_line))
            .stdout(Stdio::null())
            // What interrupts the worker does not interrupt what is under way at the edge.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let confinement = Confinement { files: false, network: false, programs: false };
        Ok(Self {
            launcher,
            line,
            listener: None,
            metrics: None,
            admin: None,
            files: false,
            required,
            confinement,
        })
    }

    /// Closes all other files to this process. It has one thread yet.
    pub fn close_files(&mut self, files: &WorkerFiles) {
        self.files = sandbox::confine_files(files).is_ok();
    }

    /// The same for a process that has other threads already: they are left out, unless the kernel
    /// is new enough to reach them, and the report says that files are open.
    pub fn close_files_late(&mut self, files: &WorkerFiles) {
        self.files = sandbox::confine_files_of_all(files);
    }

    /// Opens the listening sockets for the edges, and closes the network to this process, but for
    /// connections to `ports`.
    pub fn close_network(
        &mut self,
        listen: SocketAddr,
        metrics: Option<SocketAddr>,
        admin: Option<SocketAddr>,
        ports: &[u16],
    ) -> Result<(), GateError> {
        // The runtime of one thread, so that there are no others yet.
        let runtime = Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(|source| GateError::Threads { source })?;
        let bind = |address| {
            let cannot = |source| GateError::Listen { address, source };
            let listener = runtime.block_on(TcpListener::bind(address)).map_err(cannot)?;
            let listener = runtime.block_on(async { listener.into_std() }).map_err(cannot)?;
            let bound = listener.local_addr().map_err(cannot)?;
            Ok((listener, bound))
        };
        self.listener = Some(bind(listen)?);
        self.metrics = metrics.map(bind).transpose()?.map(|(listener, _)| listener);
        self.admin = admin.map(bind).transpose()?;
        let found = sandbox::confine_worker(ports);
        self.confinement = Confinement { files: found.files && self.files, ..found };
        Ok(())
    }
}

/// Serves edges until told to stop; calls `opened` once, when the first of them listens.
pub(crate) async fn serve(
    gate: Arc<Gate>,
    routers: Routers,
    mut house: House,
    material: &TlsMaterial,
    stop: Stop,
    opened: &mut dyn FnMut(Opened),
) -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let Stop { mut told, mut chain, .. } = stop;
    let key = tls::signing_key(material)?;
    let identity =
        Identity { chain_pem: material.cert_chain_pem.clone(), schemes: signing::schemes(&*key) };
    let Some((listener, address)) = house.listener.take() else {
        return Err(cannot(std::io::ErrorKind::NotConnected.into()));
    };
    let outwards = !gate.settings.upstreams.is_empty();
    let admin = house.admin.as_ref().map(|(_, address)| *address);
    hand_over(&mut house, listener, outwards).map_err(cannot)?;
    let mut arrivals = arrivals(&house).map_err(cannot)?;
    let (ready, mut confined) = mpsc::unbounded_channel::<Ready>();
    let mut found = Found { outwards, with_admin: admin.is_some(), ..Found::default() };
    let (words, _) = watch::channel(Orders { identity, stop: false });
    let lanes = lanes(&gate).map_err(cannot)?;
    let desk = Arc::new(WorkerDesk {
        gate,
        routers,
        words,
        ready,
        open: Mutex::default(),
        sent_out: AtomicBool::new(false),
    });
    let mut edges = JoinSet::new();
    let started = tokio::time::sleep(START_TIME);
    tokio::pin!(started);
    let mut is_open = false;
    let result = loop {
        tokio::select! {
            biased;
            _ = told.wait_for(|told| *told) => break Ok(()),
            Ok(()) = chain.changed() => {
                let chain = chain.borrow_and_update().clone();
                desk.words.send_modify(|orders| orders.show(chain));
            }
            _ = edges.join_next(), if !edges.is_empty() => {}
            arrived = arrivals.recv() => match arrived {
                Some(Arrival::Edge(door, sockets)) => {
                    take_in((&mut edges, &lanes), &desk, door, &key, sockets);
                }
                Some(Arrival::Courier(socket)) => send_out(&desk, socket),
                None => break Err(cannot(std::io::ErrorKind::BrokenPipe.into())),
            },
            Some(ready) = confined.recv() => {
                found.take(ready);
                if let Some(report) = found.report(house.confinement) {
                    if house.required && !report.whole() {
                        break Err(GateError::Isolation);
                    }
                    if !is_open {
                        opened(Opened { address, admin, isolation: Some(report) });
                    }
                    is_open = true;
                }
            }
            () = &mut started, if !is_open => {
                break Err(cannot(std::io::ErrorKind::TimedOut.into()));
            }
        }
    };
    desk.words.send_modify(|orders| orders.stop = true);
    _ = channel::send(house.line.as_fd(), STOP, &[]);
    finish(edges, lanes, &desk.gate).await;
    close(house).await;
    result
}

/// Waits for what is under way, within bounds. A use case that is still at work holds the keep's
/// files.
async fn finish(mut edges: JoinSet<()>, lanes: Lanes, gate: &Gate) {
    let drain = gate.settings.drain_time;
    let all = async { while edges.join_next().await.is_some() {} };
    _ = tokio::time::timeout(drain + DRAIN_MARGIN, all).await;
    // A loop that ends forgets what it has not begun to record.
    gate.streams.close(drain).await;
    _ = tokio::task::spawn_blocking(move || lanes.stop(drain)).await;
}

/// Starts the loops that answer, which share the threads that may wait for a disk.
fn lanes(gate: &Gate) -> std::io::Result<Lanes> {
    let count = lane_count();
    Lanes::start("gate", count, blocking_thread_count(&gate.settings).div_ceil(count))
}

/// Gives the listeners away: from here on this process has no socket of the network.
fn hand_over(
    house: &mut House,
    listener: std::net::TcpListener,
    outwards: bool,
) -> std::io::Result<()> {
    let admin = house.admin.take().map(|(listener, _)| listener);
    let courier = if outwards { OUTWARDS } else { 0 };
    let asked = courier | if admin.is_some() { WITH_ADMIN } else { 0 };
    let listeners = [Some(listener), house.metrics.take(), admin];
    let sockets: Vec<_> = listeners.iter().flatten().map(std::os::fd::AsFd::as_fd).collect();
    channel::send(house.line.as_fd(), &[OPEN, &[asked]].concat(), &sockets)
}

/// Lets the launcher go, and an edge that has not ended by now with it.
async fn close(house: House) {
    let House { mut launcher, line, .. } = house;
    // Both this and the thread that waits for edges hold the line: shutting it ends both.
    _ = rustix::net::shutdown(&line, rustix::net::Shutdown::Both);
    _ = tokio::task::spawn_blocking(move || launcher.wait()).await;
}

/// A process that has just been started, by its sockets.
enum Arrival {
    Edge(Door, Vec<OwnedFd>),
    Courier(OwnedFd),
}

/// How far one of them is confined.
enum Ready {
    Edge(Door, Confinement),
    Courier(Confinement),
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    edge: Option<Confinement>,
    admin: Option<Confinement>,
    courier: Option<Confinement>,
    outwards: bool,
    with_admin: bool,
}

impl Found {
    fn take(&mut self, ready: Ready) {
        match ready {
            Ready::Edge(Door::Public, found) => self.edge = Some(found),
            Ready::Edge(Door::Admin, found) => self.admin = Some(found),
            Ready::Courier(found) => self.courier = Some(found),
        }
    }

    /// Returns the report once all of them have said what they found.
    fn report(&self, worker: Confinement) -> Option<IsolationReport> {
        let outwards = self.courier.is_some() || !self.outwards;
        let whole = outwards && (self.admin.is_some() || !self.with_admin);
        let edge = self.edge.filter(|_| whole)?;
        Some(IsolationReport { worker, edge, admin: self.admin, courier: self.courier })
    }
}

/// Waits for processes on a thread of its own; the channel ends when the launcher is gone.
fn arrivals(house: &House) -> std::io::Result<mpsc::UnboundedReceiver<Arrival>> {
    let line = house.line.try_clone()?;
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::Builder::new().name("edges".to_owned()).spawn(move || {
        let mut word = [0; 8];
        while let Ok((count @ 1.., mut files)) = channel::receive(line.as_fd(), &mut word) {
            let arrival = match &word[..count] {
                EDGE => Some(Arrival::Edge(Door::Public, files)),
                ADMIN_EDGE => Some(Arrival::Edge(Door::Admin, files)),
                COURIER => files.pop().map(Arrival::Courier),
                _ => None,
            };
            let Some(arrival) = arrival else { return };
            if sender.send(arrival).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Tells a courier that has just been started where to go.
fn send_out(desk: &Arc<WorkerDesk>, socket: OwnedFd) {
    let desk = Arc::clone(desk);
    if desk.sent_out.swap(true, Ordering::Relaxed) {
        desk.gate.tally.count(COURIER_STARTED_AGAIN);
    }
    tokio::spawn(async move {
        let Gate { settings, upstreams, .. } = &*desk.gate;
        let plans = &settings.upstreams;
        // Without it, the courier sees that its socket is closed, ends, and is started again.
        if let Ok(found) = courier_process::hand_over(&upstreams.outward, plans, socket).await {
            _ = desk.ready.send(Ready::Courier(found));
        }
    });
}

/// Serves an edge that has just been started: each of its loops in one of ours.
fn take_in(
    (edges, lanes): (&mut JoinSet<()>, &Lanes),
    desk: &Arc<WorkerDesk>,
    door: Door,
    key: &Arc<dyn SigningKey>,
    mut sockets: Vec<OwnedFd>,
) {
    if sockets.is_empty() {
        return;
    }
    let signatures = sockets.remove(0);
    let key = Arc::clone(key);
    let signing = thread::Builder::new()
        .name("signatures".to_owned())
        .spawn(move || signing::answer(&signatures, &*key));
    // Without any of these, the edge sees that its socket is closed, ends, and is started again.
    if signing.is_err() {
        return;
    }
    if !desk.open.lock().unwrap_or_else(PoisonError::into_inner).insert(door) {
        desk.gate.tally.count(EDGE_STARTED_AGAIN);
    }
    for (number, socket) in sockets.into_iter().enumerate() {
        let Some(lane) = lanes.get(number) else { return };
        let stream = std::os::unix::net::UnixStream::from(socket);
        let desk = DoorDesk { desk: Arc::clone(desk), door };
        let serving = async move {
            let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
            if let Ok(stream) = stream {
                reception::serve(Arc::new(desk), stream).await;
            }
        };
        edges.spawn_on(serving, lane);
    }
}

/// What all edges are told.
struct Orders {
    identity: Identity,
    stop: bool,
}

impl Orders {
    fn show(&mut self, chain: Option<String>) {
        self.identity.chain_pem = chain.unwrap_or_else(|| self.identity.chain_pem.clone());
    }
}

struct WorkerDesk {
    gate: Arc<Gate>,
    routers: Routers,
    words: watch::Sender<Orders>,
    ready: mpsc::UnboundedSender<Ready>,
    /// Where an edge has been started before.
    open: Mutex<BTreeSet<Door>>,
    /// A courier has.
    sent_out: AtomicBool,
}

/// What the worker does for one edge: at which door that stands, the launcher said, and nobody who
/// takes the edge over can say otherwise.
struct DoorDesk {
    desk: Arc<WorkerDesk>,
    door: Door,
}

/// An answer that is being made.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

impl Desk for DoorDesk {
    fn answer(&self, peer: Peer, request: Request<Body>) -> Answering {
        let WorkerDesk { gate, routers, .. } = &*self.desk;
        Box::pin(pipeline::answer(Arc::clone(gate), routers.of(self.door), peer, request))
    }

    fn words(&self) -> Body {
        let words = &self.desk.words;
        let mut orders = words.subscribe();
        let identity = orders.borrow_and_update().identity.clone();
        let hello = Word::Hello(Hello::new(&self.desk.gate.settings, self.door, identity));
        let (sender, receiver) = mpsc::channel(1);
        if words.borrow().stop {
            orders.mark_changed();
        }
        tokio::spawn(tell(sender, hello, orders));
        Body::new(Lines(receiver))
    }

    fn metrics(&self) -> Answering {
        let gate = Arc::clone(&self.desk.gate);
        Box::pin(async move {
            let text = crate::metrics::render(&gate).await.unwrap_or_default();
            Response::new(Body::from(text))
        })
    }

    fn report(&self, report: Report) {
        match report {
            Report::Ready(found) => _ = self.desk.ready.send(Ready::Edge(self.door, found)),
            Report::TurnedAway(counts) => self.desk.gate.tally.add(&counts),
        }
    }
}

/// Tells one edge what it is told, until it stops or is gone.
async fn tell(sender: mpsc::Sender<Bytes>, hello: Word, mut orders: watch::Receiver<Orders>) {
    let mut word = hello;
    loop {
        let last = matches!(word, Word::Stop);
        if say(&sender, &word).await.is_none() || last {
            return;
        }
        // What was ordered since the edge asked counts as a change.
        if orders.changed().await.is_err() {
            return;
        }
        let orders = orders.borrow_and_update();
        word = if orders.stop { Word::Stop } else { Word::Identity(orders.identity.clone()) };
    }
}

async fn say(sender: &mpsc::Sender<Bytes>, word: &Word) -> Option<()> {
    let mut line = serde_json::to_vec(word).ok()?;
    line.push(b'\n');
    sender.send(line.into()).await.ok()
}

/// Lines as a body that goes on.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// The edge had died.
const EDGE_STARTED_AGAIN: &str = "edge-started-again";

/// The courier had died.
const COURIER_STARTED_AGAIN: &str = "courier-started-again";

/// An edge starts in milliseconds; a machine that swaps takes longer.
const START_TIME: Duration = Duration::from_secs(60);

/// For an edge to notice that its own deadline has passed.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
