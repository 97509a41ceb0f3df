#include "bin/real_world.hpp"

#include <cstdio>
#include <cstdlib>

#include "actors/runtime/cells.hpp"
#include "actors/runtime/pinned.hpp"
#include "actors/runtime/stage.hpp"
#include "net/asio/real.hpp"
#include "net/cri/client.hpp"
#include "net/filter/real.hpp"
#include "net/host/real.hpp"
#include "net/link/real.hpp"
#include "net/tls/openssl.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/etcd/etcd.hpp"
#include "storage/sqlite/sqlite.hpp"

namespace troupe::bin {

struct real_world::inside {
  // Order matters: the stage ends first, then the loops that its pinned actors ran on.
  std::unique_ptr<net::real::loop> loop = net::real::make_shard("net0");
  std::unique_ptr<net::real::loop> slow = net::real::make_shard("slow");
  std::unique_ptr<net::dialer> dialer = net::real::make_dialer(*loop);
  std::unique_ptr<net::datagrams> datagrams = net::real::make_datagrams(*loop);
  std::unique_ptr<net::acceptor> acceptor = net::real::make_acceptor(*loop);
  std::unique_ptr<net::tls::provider> tls = net::tls::make_openssl_provider();
  std::unique_ptr<net::tls::issuer> issuer = net::tls::make_openssl_issuer();
  std::unique_ptr<net::files> files = net::real::make_files();
  std::unique_ptr<net::machine> machine = net::real::make_machine();
  std::unique_ptr<net::process_starter> processes = net::real::make_process_starter();
  std::unique_ptr<net::packet_filter> filter = net::real::may_change_network() ? net::real::make_packet_filter() : nullptr;
  std::unique_ptr<net::link_table> links = net::real::may_change_network() ? net::real::make_link_table() : nullptr;
  std::unique_ptr<rt::shard_unit> unit, slow_unit;
  std::unique_ptr<rt::stage> stage = std::make_unique<rt::stage>();
  rt::world world;
};

real_world::real_world() : in_(std::make_unique<inside>()) {
  auto& in = *in_;
  in.unit = std::make_unique<rt::shard_unit>(in.stage->system(), *in.loop);
  in.slow_unit = std::make_unique<rt::shard_unit>(in.stage->system(), *in.slow);
  auto& w = in.world;
  w.system = &in.stage->system();
  w.shard = in.loop.get();
  w.unit = in.unit.get();
  w.slow_unit = in.slow_unit.get();
  w.dialer = in.dialer.get();
  w.acceptor = in.acceptor.get();
  w.tls = in.tls.get();
  w.issuer = in.issuer.get();
  w.files = in.files.get();
  w.machine = in.machine.get();
  w.processes = in.processes.get();
  w.filter = in.filter.get(), w.links = in.links.get();
  w.datagrams = in.datagrams.get();
  w.wall = &system_wall_clock();
  w.chance = &system_entropy();
  const auto seed = w.chance->draw(8);
  std::uint64_t number = 0;
  for (const unsigned char c : seed) number = number << 8 | c;
  w.dice = rng(number);
  w.open_engine = [loop = in.loop.get(), files = in.files.get()](const std::string& kind, const std::string& path) -> result<std::unique_ptr<storage::engine>> {
    if (kind != "sqlite" && kind != "rocksdb") return fail(errc::unsupported, "this build has no engine of that kind");
    if (auto made = files->make_folder(path.substr(0, path.rfind('/')), 0700); !made.ok()) return made.why();
    const auto open = [&](auto with, auto opener) {
      with.path = path;
      with.now = [loop] { return loop->now(); };
      return opener(with);
    };
    return kind == "sqlite" ? open(storage::sqlite_config(), storage::open_sqlite)
                            : open(storage::rocksdb_config(), storage::open_rocksdb);
  };
  w.open_etcd = [](const storage::etcd_access& access) {
    storage::etcd_config with;
    with.access = access;
    with.prefix.assign(1, '/');   // the objects, and the bootstrap data beside them
    return storage::open_etcd(with);
  };
  w.open_runtime = [](const std::string& socket) -> result<std::unique_ptr<net::cri::runtime>> {
    net::cri::client_config with;
    return with.socket = socket, net::cri::make_client(std::move(with));
  };
  w.open_cluster = [](const storage::etcd_access& access) { return storage::open_cluster(access); };
  w.publish = [](const std::string& topic, std::string text) { rt::theatre::instance().put_notice(topic, std::move(text)); };
  w.give_up = [](const std::string& why) {
    std::fprintf(stderr, "troupe: %s\n", why.c_str());
    std::_Exit(1);
  };
  rt::theatre::instance().on_failure([](const rt::cell& of, const std::string& why) {
    std::fprintf(stderr, "troupe: the actor %s of room %s failed: %s; the process ends, its service manager starts it again\n",
                 of.name.c_str(), of.room.c_str(), why.c_str());
    std::_Exit(70);
  });
  in.loop->start();
  in.slow->start();
}

real_world::~real_world() {
  in_->stage->await_actors();
  in_->loop->stop();
  in_->slow->stop();
  // Their last tasks hold streams and handles, which go while the actor system still stands.
  in_->acceptor.reset();
  in_->dialer.reset();
  in_->datagrams.reset();
  in_->loop.reset();
  in_->slow.reset();
  in_->stage.reset();
}

rt::world& real_world::get() { return in_->world; }

}  // namespace troupe::bin
