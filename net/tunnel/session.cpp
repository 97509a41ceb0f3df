#include <algorithm>

#include "net/tunnel/session_core.hpp"

namespace troupe::net::tunnel {
namespace {
constexpr std::size_t piece_max = 32 * 1024 - 64;      // with its headers it fills two TLS records; a turn in the fair queue, then the next stream's
constexpr std::size_t carrier_unsent_max = 264 * 1024;  // one reading; with the kernel's own queue (not_sent_max) 392 KiB may be before a small call
constexpr std::size_t overshoot_max = 16 * 1024 * 1024;  // what may be under way when Pause is sent
constexpr duration sync_grace = std::chrono::seconds(30);
}  // namespace

session_core::session_core(shard& on, websocket::connection_ptr over, session_config config, rng chance)
    : shard_(on), over_(std::move(over)), config_(std::move(config)),
      ids_(static_cast<std::int64_t>(chance.next() >> 2)) {}

void session_core::begin() {
  heard_ = synced_ = shard_.now();
  over_->start(this);
  if (!ended_) tick();
}

void session_core::tick() {
  timer_ = shard_.after(config_.ping_every, [me = weak_from_this()] {
    const auto self = me.lock();
    if (!self || self->ended_) return;
    const auto now = self->shard_.now();
    if (now - self->heard_ > self->config_.silence_max)
      return self->end({errc::timeout, "nothing was heard for " +
                        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - self->heard_).count()) + " s"});
    if (self->config_.side == websocket::role::client) {
      self->over_->ping();
      if (now - self->synced_ >= self->config_.sync_every) self->sync();
    }
    self->tick();
  });
}

void session_core::sync() {
  synced_ = shard_.now();
  std::vector<std::int64_t> all;
  for (const auto& [number, l] : lines_) all.push_back(number);
  send(0, frame_type::sync, encode_sync(all));
}

void session_core::forget() {
  config_.on_end = nullptr;
  config_.on_dial = nullptr;
  end({errc::closed, "the tunnel was closed here"});
}

void session_core::close(std::string_view reason) {
  if (!ended_) over_->close(1000, reason);
}

void session_core::end(const error& why) {
  if (std::exchange(ended_, true)) return;
  const auto keep = shared_from_this();
  shard_.cancel(std::exchange(timer_, 0));
  relays_.clear();
  turns_.clear();
  for (auto& [number, l] : std::exchange(lines_, {})) {
    if (!l->ended) l->ended = error{errc::closed, "tunnel disconnect: " + why.text()};
    wake(l);
  }
  // We may stand inside the carrier's own call.
  shard_.post([keep, why, over = std::shared_ptr(std::move(over_))] {
    if (auto told = std::move(keep->config_.on_end)) told(why);
  });
}

line_ptr session_core::find(std::int64_t number) const {
  const auto found = lines_.find(number);
  return found == lines_.end() ? nullptr : found->second;
}

line_ptr session_core::open_line(std::int64_t number, endpoint far) {
  auto l = std::make_shared<line>();
  l->number = number;
  l->owner = weak_from_this();
  l->on = &shard_;
  l->since = shard_.now();
  l->far = std::move(far);
  lines_.emplace(number, l);
  return l;
}

// --- what the far side says --------------------------------------------------------------------

void session_core::on_message(bool binary, std::string_view data) {
  if (ended_) return;   // the carrier is there until the loop's next turn, and may still bring something
  heard();
  bytes_in += data.size();
  const auto f = decode(data);
  if (!binary || !f) return end({errc::invalid, "the far side does not speak the tunnel's language"});
  take(*f);
  hold_back();
}

void session_core::take(const frame& f) {
  if (f.is(frame_type::data)) return take_data(f);
  if (f.is(frame_type::connect)) return take_connect(f);
  if (f.is(frame_type::error)) return take_error(f);
  if (f.is(frame_type::sync)) return take_sync(f);
  const auto l = find(f.connection);
  if (!l) return;
  if (f.is(frame_type::pause)) l->peer_paused = true;
  if (f.is(frame_type::resume) && std::exchange(l->peer_paused, false)) enqueue(l), pump();
}

/// A far side that says what must be answered and does not read the answers is not listened to until it does; if it never
/// does, its silence ends the session. Honest ends do not come so far: of data only little waits at the carrier.
void session_core::hold_back() {
  if (ended_ || held_back_ || over_->unsent() < config_.answers_max) return;
  held_back_ = true;
  over_->pause();
}

void session_core::on_drained() {
  if (ended_) return;
  if (std::exchange(held_back_, false)) over_->resume();
  pump();
}

void session_core::take_data(const frame& f) {
  const auto l = find(f.connection);
  if (!l || l->ended)
    return send_error(f.connection, "connection not found " + config_.name + "/" + std::to_string(f.connection));
  if (l->started && !l->paused && l->incoming.empty() && l->sink && !l->waking) return l->sink->on_data(f.payload);
  if (l->dropped) return;  // Nobody listens; what we queued still leaves.
  if (l->incoming.size() + f.payload.size() > config_.receive_max + overshoot_max) return flooded(l);
  l->incoming.append(f.payload);
  if (l->incoming.size() > config_.receive_max && !std::exchange(l->pause_sent, true)) send(l->number, frame_type::pause, {});
}

/// A far side that ignores Pause loses this stream, not our memory.
void session_core::flooded(const line_ptr& l) {
  lines_.erase(l->number);
  send_error_for(l, "too much data after Pause");
  l->ended = error{errc::overloaded, "the far side does not heed Pause"};
  wake(l);
}

void session_core::take_connect(const frame& f) {
  const auto number = f.connection;
  const auto cut = f.payload.find('/');
  if (f.payload.size() > connect_payload_max || cut == std::string_view::npos || lines_.contains(number))
    return refuse(number, "malformed connect");
  if (!config_.on_dial) return refuse(number, "connect not allowed");
  // A stream that the far side has given up may still be dialled, or still carry its last words to who was dialled.
  if (std::max({lines_.size(), relays_.size(), dials_}) >= config_.streams_max) return refuse(number, "too many streams");
  open_line(number, {});
  ++dials_;
  config_.on_dial({std::string(f.payload.substr(0, cut)), std::string(f.payload.substr(cut + 1))},
                  [me = weak_from_this(), number](result<stream_ptr> got) {
                    if (auto self = me.lock()) --self->dials_, self->carry_out(number, std::move(got));
                  });
}

/// Costs the far side one stream, never the tunnel.
void session_core::refuse(std::int64_t number, std::string_view why) {
  send_error(number, why);
  tell_refusal(why);
}

void session_core::tell_refusal(std::string_view why) {
  ++refusals_;
  const auto now = shard_.now();
  if (!config_.on_refusals || (refusals_told_ != mono_time{} && now - refusals_told_ < config_.refusals_every)) return;
  refusals_told_ = now;
  config_.on_refusals(why, std::exchange(refusals_, 0));
}

void session_core::carry_out(std::int64_t number, result<stream_ptr> got) {
  const auto l = find(number);
  if (ended_ || !l) return;  // given up meanwhile; the stream dies with `got`
  if (!got.ok()) {
    const auto& why = got.why();
    send_error_for(l, why.note.empty() ? why.text() : why.note);
    lines_.erase(number);
    if (why.code == errc::forbidden) tell_refusal(why.note);   // what is allowed and does not answer is nobody's fault
    return;
  }
  relays_[number] = splice(shard_, make_stream(l), std::move(*got), [me = weak_from_this(), number](error) {
    if (auto self = me.lock()) self->relays_.erase(number);
  });
}

void session_core::take_error(const frame& f) {
  const auto l = find(f.connection);
  if (!l) return;  // an echo of our own
  lines_.erase(f.connection);
  const auto text = f.payload.substr(0, error_payload_max);
  send_error_for(l, text);
  if (!l->ended) l->ended = text == "EOF" ? error{errc::closed, {}} : error{errc::unavailable, std::string(text)};
  wake(l);
}

void session_core::take_sync(const frame& f) {
  const auto listed = decode_sync(f.payload);
  if (!listed) return end({errc::invalid, "malformed list of connections"});
  if (config_.side == websocket::role::client) return;
  std::vector<line_ptr> gone;
  for (const auto& [number, l] : lines_)
    if (!std::binary_search(listed->begin(), listed->end(), number) && shard_.now() - l->since > sync_grace) gone.push_back(l);
  for (const auto& l : gone) {
    lines_.erase(l->number);
    l->error_sent = true;
    l->ended = error{errc::closed, "the far side has forgotten this stream"};
    wake(l);
  }
}

// --- what our side wants -----------------------------------------------------------------------

void session_core::dial(const endpoint& at, dialer::dialed done) {
  auto shared = std::make_shared<dialer::dialed>(std::move(done));
  if (ended_ || lines_.size() >= config_.streams_max)
    return shard_.post([shared, full = !ended_, name = config_.name] {
      (*shared)(result<stream_ptr>(full ? errc::overloaded : errc::closed, full ? "too many streams to " + name : "the tunnel is closed"));
    });
  const auto l = open_line(++numbers_, at);
  send(l->number, frame_type::connect, "tcp/" + to_string(at));
  auto stream = std::make_shared<stream_ptr>(make_stream(l));
  shard_.post([shared, stream] { (*shared)(result<stream_ptr>(std::move(*stream))); });
}

void session_core::write(const line_ptr& l, std::string_view data) {
  if (ended_ || l->ended || l->closing) return;
  // Nobody's turn is before ours and the carrier takes it: no need to keep it.
  while (!data.empty() && turns_.empty() && l->unsent() == 0 && !l->peer_paused && !ended_ && over_->unsent() < carrier_unsent_max) {
    const auto piece = data.substr(0, piece_max);
    send(l->number, frame_type::data, piece);
    data.remove_prefix(piece.size());
  }
  if (data.empty()) return;
  l->outgoing.append(data);
  enqueue(l);
  pump();
}

void session_core::enqueue(const line_ptr& l) {
  if (l->queued || l->peer_paused || (l->unsent() == 0 && !l->closing)) return;
  l->queued = true;
  turns_.push_back(l);
}

// Each stream in turn sends one piece, so a bulk stream delays a small one by one piece of each other.
void session_core::pump() {
  while (!ended_ && !turns_.empty() && over_->unsent() < carrier_unsent_max) {
    const auto l = std::move(turns_.front());
    turns_.pop_front();
    l->queued = false;
    if (l->ended || l->peer_paused) continue;
    const bool was_high = l->unsent() > stream::low_water;
    const auto n = std::min(piece_max, l->unsent());
    if (n > 0) {
      send(l->number, frame_type::data, std::string_view(l->outgoing).substr(l->outgoing_at, n));
      l->outgoing_at += n;
      if (l->unsent() == 0) l->outgoing.clear(), l->outgoing.shrink_to_fit(), l->outgoing_at = 0;
      else if (l->outgoing_at > 1024 * 1024) l->outgoing.erase(0, l->outgoing_at), l->outgoing_at = 0;
    }
    if (was_high && l->unsent() <= stream::low_water && l->sink)
      shard_.post([l] { if (l->sink && !l->told) l->sink->on_drained(); });
    if (l->unsent() > 0) enqueue(l);
    else if (l->closing) {
      send_error_for(l, "EOF");
      lines_.erase(l->number);
      l->ended = error{errc::closed, {}};
      wake(l);
    }
  }
}

void session_core::finish(const line_ptr& l) {
  if (ended_ || l->ended || std::exchange(l->closing, true)) return;
  enqueue(l);
  pump();
}

void session_core::drop(const line_ptr& l) {
  l->dropped = true;
  l->sink = nullptr;
  l->incoming = std::string();
  if (ended_ || l->ended || l->closing) return;  // A close under way goes on by itself.
  lines_.erase(l->number);
  send_error_for(l, "EOF");
  l->ended = error{errc::closed, {}};
}

// --- delivering --------------------------------------------------------------------------------

void session_core::wake(const line_ptr& l) {
  if (std::exchange(l->waking, true)) return;
  shard_.post([keep = shared_from_this(), l] {
    l->waking = false;
    keep->deliver(l);
  });
}

void deliver(const line_ptr& l) {
  while (l->sink && l->started && !l->paused && !l->incoming.empty()) {
    const auto data = std::exchange(l->incoming, {});
    l->sink->on_data(data);
  }
  if (l->ended && l->incoming.empty() && l->sink && l->started && !std::exchange(l->told, true)) {
    auto* to = std::exchange(l->sink, nullptr);
    to->on_closed(*l->ended);
  }
}

void session_core::deliver(const line_ptr& l) {
  tunnel::deliver(l);
  if (!l->pause_sent || l->incoming.size() >= config_.receive_max / 8 || l->ended || ended_) return;
  l->pause_sent = false;
  send(l->number, frame_type::resume, {});
}

void session_core::send(std::int64_t connection, frame_type type, std::string_view payload) {
  if (ended_) return;
  const auto head = encode_head(++ids_, connection, type);
  bytes_out += head.size() + payload.size();
  over_->send_parts(head, payload);
}
void session_core::send_error(std::int64_t connection, std::string_view text) {
  send(connection, frame_type::error, text.substr(0, error_payload_max));
}
void session_core::send_error_for(const line_ptr& l, std::string_view text) {
  if (!std::exchange(l->error_sent, true)) send_error(l->number, text);
}

// --- handles -----------------------------------------------------------------------------------

namespace {

class line_stream final : public stream {
 public:
  explicit line_stream(line_ptr l) : line_(std::move(l)) {}
  ~line_stream() override {
    line_->sink = nullptr;
    if (auto core = line_->owner.lock()) core->drop(line_);
  }
  void start(stream_sink* sink) override {
    line_->sink = sink;
    line_->started = true;
    poke();
  }
  void write(std::string_view data) override {
    if (auto core = line_->owner.lock()) core->write(line_, data);
  }
  using stream::write;
  std::size_t unsent() const override { return line_->unsent(); }
  void pause() override { line_->paused = true; }
  void resume() override {
    line_->paused = false;
    poke();
  }
  void close() override {
    if (auto core = line_->owner.lock()) core->finish(line_);
  }
  const peer_identity& peer() const override {
    static const peer_identity nobody;
    return nobody;
  }
  endpoint local_address() const override { return {}; }
  endpoint remote_address() const override { return line_->far; }

 private:
  void poke() {
    if (auto core = line_->owner.lock()) return core->wake(line_);
    line_->on->post([l = line_] { deliver(l); });  // the tunnel is gone already
  }
  line_ptr line_;
};

class handle final : public session {
 public:
  explicit handle(std::shared_ptr<session_core> core) : core_(std::move(core)) {}
  ~handle() override { core_->forget(); }
  void dial(const endpoint& at, duration, dialed done) override { core_->dial(at, std::move(done)); }
  duration silence() const override { return core_->silence(); }
  std::size_t streams() const override { return core_->streams(); }
  std::uint64_t bytes_in() const override { return core_->bytes_in; }
  std::uint64_t bytes_out() const override { return core_->bytes_out; }
  void close(std::string_view reason) override { core_->close(reason); }

 private:
  std::shared_ptr<session_core> core_;
};

}  // namespace

stream_ptr make_stream(line_ptr of) { return std::make_unique<line_stream>(std::move(of)); }

std::unique_ptr<session> open(shard& on, websocket::connection_ptr over, session_config config, rng chance) {
  auto core = std::make_shared<session_core>(on, std::move(over), std::move(config), chance);
  core->begin();
  return std::make_unique<handle>(std::move(core));
}

}  // namespace troupe::net::tunnel
