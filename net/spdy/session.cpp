#include "net/spdy/session.hpp"

namespace troupe::net::spdy {
namespace {

constexpr std::uint32_t refused_stream = 3;   // RST_STREAM's status: we take none

class core final : public stream_sink, public std::enable_shared_from_this<core> {
 public:
  core(shard& on, stream_ptr stream, session_sink& to) : shard_(on), stream_(std::move(stream)), to_(&to) {}
  void begin() { stream_->start(this); }
  void forget() {
    to_ = nullptr;
    shard_.post([me = shared_from_this()] { me->stream_.reset(); });
  }
  std::uint32_t open(const header_pairs& headers) {
    const auto number = next_;
    next_ += 2;   // a client's are odd
    say(write_.headers(number, headers, false, false));
    return number;
  }
  void write(std::uint32_t stream, std::string_view data, bool last) { say(frame_writer::data(stream, data, last)); }
  std::size_t unsent() const { return stream_ ? stream_->unsent() : 0; }
  void hold(bool back) {
    if (stream_) back ? stream_->pause() : stream_->resume();
  }

  void on_data(std::string_view bytes) override {
    const auto keep = shared_from_this();
    frame got;
    while (to_) {
      const auto is_there = read_.next(bytes, got);
      if (!is_there.ok()) return end(is_there.why());
      if (!*is_there) return;
      take(got);
    }
  }
  void on_drained() override {
    const auto keep = shared_from_this();
    if (to_) to_->on_drained();
  }
  void on_closed(const error& why) override {
    const auto keep = shared_from_this();
    end(why);
  }

 private:
  void say(std::string_view frame) {
    if (stream_) stream_->write(frame);
  }
  void take(const frame& got) {
    switch (got.kind) {
      case frame_kind::ping: return say(frame_writer::ping(got.data));
      case frame_kind::open: return say(frame_writer::reset(got.stream, refused_stream));
      case frame_kind::data:
        if (!got.data.empty()) to_->on_data(got.stream, got.data);
        [[fallthrough]];
      case frame_kind::reply:
      case frame_kind::headers:
      case frame_kind::reset:
        if (got.last && to_) to_->on_end(got.stream);
        return;
      default: return;
    }
  }
  void end(const error& why) {
    if (auto* to = std::exchange(to_, nullptr)) to->on_closed(why);
  }

  shard& shard_;
  stream_ptr stream_;
  session_sink* to_;
  frame_reader read_;
  frame_writer write_;
  std::uint32_t next_ = 1;
};

class handle final : public session {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  std::uint32_t open(const header_pairs& headers) override { return core_->open(headers); }
  void write(std::uint32_t stream, std::string_view data, bool last) override { core_->write(stream, data, last); }
  std::size_t unsent() const override { return core_->unsent(); }
  void pause() override { core_->hold(true); }
  void resume() override { core_->hold(false); }

 private:
  std::shared_ptr<core> core_;
};

}  // namespace

std::unique_ptr<session> attach(shard& on, stream_ptr on_stream, session_sink& to) {
  auto c = std::make_shared<core>(on, std::move(on_stream), to);
  c->begin();
  return std::make_unique<handle>(std::move(c));
}

}  // namespace troupe::net::spdy
