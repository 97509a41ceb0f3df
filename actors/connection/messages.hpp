// One server as an agent sees it: dialled, probed, and carried to. Its owner is the balancer.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "net/stream.hpp"

namespace troupe::connection {

/// What a probe has come to: the server serves; it answers, and says no; nobody answers.
enum class verdict : std::uint8_t { ready, unready, lost };

/// balancer -> connection: a stream to the server for client `number`; dial_settled follows, always and once.
struct open_stream { std::uint64_t number = 0; };
/// A client, what it has said that nobody answered, and the servers that it has not been taken to yet. Moved out once.
struct client_box { net::stream_ptr stream; std::string said; std::vector<endpoint> left; };
/// balancer -> connection: carry between the two until either ends. If the server ends without a word, client_refused follows.
struct begin_relay { std::shared_ptr<client_box> client; std::shared_ptr<net::stream_ptr> server; };
/// balancer -> connection: end all relays, so that their clients come again.
struct close_relays {};
/// balancer -> connection: end at most so many relays, those first that have carried nothing since the last time.
struct return_relays { std::size_t count_max = 0; };
/// balancer -> connection: something seems wrong with the server, so look now.
struct probe_now {};

/// connection -> balancer: what a dial has come to; `stream` is null when it failed and then `why` says how.
struct dial_settled { endpoint at; std::uint64_t number = 0; std::shared_ptr<net::stream_ptr> stream; error why; };
/// connection -> balancer: after each probe. `latency` is that of the last answer, zero when there was none yet.
struct server_seen { endpoint at; verdict what = verdict::lost; std::string why; duration latency{}; std::size_t relays = 0; };
/// connection -> balancer: the server took the client and hung up, or was lost, before it said a word. Try another.
struct client_refused { endpoint at; std::shared_ptr<client_box> client; };
using owner_actor = rt::handle<void(dial_settled), void(server_seen), void(client_refused)>;

/// connection -> itself.
struct relay_ended { std::uint64_t number = 0; };
struct probe_due { std::uint64_t round = 0; };

using connection_actor = rt::handle<void(open_stream), void(begin_relay), void(close_relays), void(return_relays),
                                    void(probe_now), void(relay_ended), void(probe_due)>;

}  // namespace troupe::connection

RT_MESSAGE(troupe::connection::open_stream)
RT_MESSAGE(troupe::connection::begin_relay)
RT_MESSAGE(troupe::connection::close_relays)
RT_MESSAGE(troupe::connection::return_relays)
RT_MESSAGE(troupe::connection::probe_now)
RT_MESSAGE(troupe::connection::dial_settled)
RT_MESSAGE(troupe::connection::server_seen)
RT_MESSAGE(troupe::connection::client_refused)
RT_MESSAGE(troupe::connection::relay_ended)
RT_MESSAGE(troupe::connection::probe_due)
