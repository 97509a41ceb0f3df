#include "net/sim/wire.hpp"

#include <algorithm>

#include "net/sim/core.hpp"

namespace troupe::net::sim {
namespace {

constexpr std::size_t segment_bytes_max = 64 * 1024;
constexpr duration linger = std::chrono::seconds(5);

class wire_stream final : public stream {
 public:
  wire_stream(std::shared_ptr<wire> of, int side) : wire_(std::move(of)), side_(side) {}
  ~wire_stream() override { wire_->let_go(side_); }
  void start(stream_sink* sink) override { wire_->start(side_, sink); }
  using stream::write;
  void write(std::string_view data) override { wire_->write(side_, data); }
  std::size_t unsent() const override { return wire_->unsent(side_); }
  void pause() override { wire_->pause(side_); }
  void resume() override { wire_->resume(side_); }
  void close() override { wire_->close(side_); }
  const peer_identity& peer() const override {
    static const peer_identity nobody;
    return nobody;
  }
  endpoint local_address() const override { return wire_->address(side_); }
  endpoint remote_address() const override { return wire_->address(1 - side_); }

 private:
  std::shared_ptr<wire> wire_;
  int side_;
};

}  // namespace

wire::wire(core& of, site& a, endpoint at_a, site& b, endpoint at_b) : of_(of) {
  ends_[0].home = &a;
  ends_[0].life = a.life;
  ends_[0].at = std::move(at_a);
  ends_[1].home = &b;
  ends_[1].life = b.life;
  ends_[1].at = std::move(at_b);
}

stream_ptr wire::make_stream(int side) { return std::make_unique<wire_stream>(shared_from_this(), side); }

template <class F>
void wire::later(duration after, F what) {
  of_.in(after, [self = shared_from_this(), what = std::move(what)]() mutable { what(*self); });
}

bool wire::alive(int side) const {
  const auto& e = ends_[side];
  return e.home->up && e.home->life == e.life && !e.gone && !e.over;
}

bool wire::between(const site& a, const site& b) const {
  return (ends_[0].home == &a && ends_[1].home == &b) || (ends_[0].home == &b && ends_[1].home == &a);
}

void wire::start(int side, stream_sink* sink) {
  ends_[side].sink = sink;
  if (sink) deliver_soon(side);
}

void wire::resume(int side) {
  ends_[side].paused = false;
  deliver_soon(side);
}

void wire::deliver_soon(int side) {
  auto& e = ends_[side];
  if (e.waking || (e.arrived.empty() && !e.over)) return;
  e.waking = true;
  later(duration::zero(), [side](wire& w) {
    w.ends_[side].waking = false;
    w.deliver(side);
  });
}

void wire::write(int side, std::string_view data) {
  auto& e = ends_[side];
  if (e.closing || !alive(side) || data.empty()) return;
  if (e.out.empty() || e.out.back().size() + data.size() > segment_bytes_max) e.out.emplace_back(data);
  else e.out.back().append(data);
  e.out_bytes += data.size();
  if (e.out_bytes >= stream::low_water) e.above = true;
  pump_soon(side);
}

void wire::pump_soon(int side) {
  if (std::exchange(ends_[side].pumping, true)) return;
  later(duration::zero(), [side](wire& w) {
    w.ends_[side].pumping = false;
    w.pump(side);
  });
}

void wire::pump(int side) {
  auto& e = ends_[side];
  if (!e.home->up || e.home->life != e.life || e.over) return;
  while (!e.out.empty() && e.in_flight < window_bytes) {
    auto piece = std::move(e.out.front());
    e.out.pop_front();
    if (piece.size() > segment_bytes_max) {
      e.out.push_front(piece.substr(segment_bytes_max));
      piece.resize(segment_bytes_max);
    }
    e.out_bytes -= piece.size();
    e.in_flight += piece.size();
    transmit(side, {kind::data, std::move(piece)});
  }
  if (e.closing && e.out.empty() && !std::exchange(e.fin_sent, true)) transmit(side, {kind::fin, {}});
  if (e.above && e.out_bytes < stream::low_water) {
    e.above = false;
    if (e.sink && !e.closing) e.sink->on_drained();
  }
}

void wire::transmit(int side, segment what) {
  auto& e = ends_[side];
  // Never before what was sent earlier: a stream keeps its order.
  const auto at = std::max(of_.now() + of_.latency(*e.home, *ends_[1 - side].home), e.last_arrival);
  e.last_arrival = at;
  e.transit.push_back(std::move(what));
  later(at - of_.now(), [side](wire& w) { w.arrive(side); });
}

void wire::arrive(int from) {
  auto& sender = ends_[from];
  const int to = 1 - from;
  auto& receiver = ends_[to];
  if (sender.transit.empty()) return;
  if (of_.blocked(*sender.home, *receiver.home)) return void(++sender.stalled);
  auto got = std::move(sender.transit.front());
  sender.transit.pop_front();
  if (!receiver.home->up && receiver.home->vanished) return;
  if (receiver.home->life != receiver.life || !receiver.home->up) {
    // A kernel that knows nothing of the connection says so.
    if (got.what == kind::data) later(of_.latency(*receiver.home, *sender.home), [from](wire& w) { w.finish(from, fail(errc::closed, "reset by the peer")); });
    return;
  }
  switch (got.what) {
    case kind::data:
      if (receiver.gone || receiver.over) return;
      receiver.arrived.push_back(std::move(got.data));
      return deliver(to);
    case kind::fin:
      later(of_.latency(*receiver.home, *sender.home), [from](wire& w) { w.finish(from, fail(errc::closed, "closed")); });
      return finish(to, fail(errc::closed, "the peer ended"));
    case kind::reset: return finish(to, fail(errc::closed, "reset by the peer"));
  }
}

void wire::deliver(int side) {
  const auto self = shared_from_this();
  auto& e = ends_[side];
  auto& sender = ends_[1 - side];
  if (!e.home->up || e.home->life != e.life) return;
  while (!e.arrived.empty() && (e.closing || e.gone || (e.sink && !e.paused))) {
    const auto piece = std::move(e.arrived.front());
    e.arrived.pop_front();
    sender.in_flight -= std::min(sender.in_flight, piece.size());
    pump_soon(1 - side);
    if (!e.closing && e.sink) e.sink->on_data(piece);
    if (e.home->life != e.life) return;
  }
  if (e.over && e.arrived.empty() && e.sink && !std::exchange(e.told, true)) e.sink->on_closed(*e.over);
}

void wire::finish(int side, error why) {
  auto& e = ends_[side];
  if (e.over) return;
  e.over = std::move(why);
  e.out.clear();
  e.out_bytes = 0;
  deliver(side);
}

void wire::close(int side) {
  auto& e = ends_[side];
  if (e.closing || !alive(side)) return;
  e.closing = true;
  pump_soon(side);
  deliver_soon(side);
  later(linger, [side](wire& w) {
    if (w.ends_[side].over || !w.ends_[side].home->up || w.ends_[side].home->life != w.ends_[side].life) return;
    w.transmit(side, {kind::reset, {}});
    w.finish(side, fail(errc::closed, "closed by us; the peer did not answer"));
  });
}

void wire::let_go(int side) {
  auto& e = ends_[side];
  e.sink = nullptr;
  const bool was = alive(side);
  e.gone = true;
  if (!was || e.closing) return;  // A close under way goes on by itself.
  e.out.clear();
  e.out_bytes = 0;
  e.over = fail(errc::closed, "destroyed");
  transmit(side, {kind::reset, {}});
}

void wire::rise() {
  for (int side : {0, 1}) {
    auto& e = ends_[side];
    for (unsigned n = std::exchange(e.stalled, 0); n > 0; --n)
      later(of_.latency(*e.home, *ends_[1 - side].home), [side](wire& w) { w.arrive(side); });
  }
}

void wire::cut(const error& why) {
  for (int side : {0, 1}) later(duration::zero(), [side, why](wire& w) { w.finish(side, why); });
}

void wire::end_of(const site& gone, bool told) {
  for (int side : {0, 1}) {
    auto& e = ends_[side];
    if (e.home != &gone) continue;
    e.sink = nullptr;
    const int other = 1 - side;
    if (told && !of_.blocked(*e.home, *ends_[other].home))
      later(of_.latency(*e.home, *ends_[other].home), [other](wire& w) { w.finish(other, fail(errc::closed, "reset by the peer")); });
    else
      later(dead_peer_after, [other](wire& w) { w.finish(other, fail(errc::timeout, "the peer has not answered for a minute")); });
  }
}

void wire::watch_for_death() {
  later(dead_peer_after, [](wire& w) {
    if (w.of_.blocked(*w.ends_[0].home, *w.ends_[1].home)) w.cut(fail(errc::timeout, "the peer has not answered for a minute"));
  });
}

}  // namespace troupe::net::sim
