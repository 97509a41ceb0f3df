#include "net/websocket/byte_stream.hpp"

#include <optional>

namespace troupe::net::websocket {
namespace {

constexpr std::uint16_t normal_closure = 1000;

/// Outlives its handle while a call of the WebSocket is on the way through it.
class core final : public sink, public std::enable_shared_from_this<core> {
 public:
  core(shard& on, connection_ptr over, std::size_t piece_max) : shard_(on), over_(std::move(over)), piece_max_(piece_max) {}

  void start(stream_sink* to) {
    to_ = to;
    if (!std::exchange(started_, true)) over_->start(this);
    // Nobody listens: what comes is held back at its source.
    if (!to_) return over_->pause();
    over_->resume();
    deliver_later();
  }
  void write(std::string_view data) {
    for (; !data.empty() && !closing_; data.remove_prefix(std::min(piece_max_, data.size())))
      over_->send(true, data.substr(0, piece_max_));
  }
  std::size_t unsent() const { return over_->unsent(); }
  void pause() { over_->pause(); }
  void resume() { over_->resume(); }
  void close() {
    if (!std::exchange(closing_, true)) over_->close(normal_closure, "");
  }
  void forget() {
    to_ = nullptr;
    shard_.post([me = shared_from_this()] { me->over_.reset(); });
  }

  void on_message(bool binary, std::string_view data) override {
    const auto keep = shared_from_this();
    if (!binary) return on_closed({errc::invalid, "a text message in a flow of bytes"});
    if (to_ && kept_.empty()) to_->on_data(data);
    else kept_.append(data);
  }
  void on_drained() override {
    const auto keep = shared_from_this();
    if (to_) to_->on_drained();
  }
  void on_closed(const error& why) override {
    const auto keep = shared_from_this();
    if (over_told_) return;
    end_ = why;
    if (to_ && kept_.empty()) tell_end();
  }

 private:
  /// What came while nobody listened.
  void deliver_later() {
    shard_.post([weak = weak_from_this()] {
      const auto me = weak.lock();
      if (!me || !me->to_) return;
      if (const auto data = std::exchange(me->kept_, {}); !data.empty()) me->to_->on_data(data);
      if (me->to_ && me->end_) me->tell_end();
    });
  }
  void tell_end() {
    if (std::exchange(over_told_, true)) return;
    if (auto* to = std::exchange(to_, nullptr)) to->on_closed(*end_);
  }

  shard& shard_;
  connection_ptr over_;
  std::size_t piece_max_;
  stream_sink* to_ = nullptr;
  std::string kept_;
  std::optional<error> end_;
  bool started_ = false, closing_ = false, over_told_ = false;
};

class handle final : public stream {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  void start(stream_sink* to) override { core_->start(to); }
  void write(std::string_view data) override { core_->write(data); }
  std::size_t unsent() const override { return core_->unsent(); }
  void pause() override { core_->pause(); }
  void resume() override { core_->resume(); }
  void close() override { core_->close(); }
  const peer_identity& peer() const override { return nobody_; }
  endpoint local_address() const override { return {}; }
  endpoint remote_address() const override { return {}; }

 private:
  std::shared_ptr<core> core_;
  peer_identity nobody_;
};

}  // namespace

stream_ptr as_stream(shard& on, connection_ptr over, std::size_t piece_max) {
  return std::make_unique<handle>(std::make_shared<core>(on, std::move(over), piece_max));
}

}  // namespace troupe::net::websocket
