#include "net/relay/relay.hpp"

#include "net/relay/self_carrying.hpp"

namespace troupe::net {
namespace {

class splicer final : public std::enable_shared_from_this<splicer> {
 public:
  splicer(shard& on, stream_ptr first, stream_ptr second, callback<void(error)> ended)
      : shard_(on), ended_(std::move(ended)) {
    sides_[0] = {this, 0, std::move(first)};
    sides_[1] = {this, 1, std::move(second)};
  }
  void begin() {
    // Each may end inside its start; we stay for the rest of this call.
    const auto keep = shared_from_this();
    sides_[0].stream->start(&sides_[0]);
    if (sides_[1].stream) sides_[1].stream->start(&sides_[1]);
  }
  /// The holder is gone: both are cut, nothing is told.
  void forget() {
    ended_ = nullptr;
    shard_.cancel(std::exchange(linger_, 0));
    over_ = true;
    // We may stand inside a call of one of the streams.
    shard_.post([me = shared_from_this()] { me->sides_[0].stream.reset(), me->sides_[1].stream.reset(); });
  }
  relay_totals totals() const { return {sides_[0].taken, sides_[1].taken}; }

 private:
  struct side final : stream_sink {
    side() = default;
    side(splicer* o, int n, stream_ptr s) : owner(o), number(n), stream(std::move(s)) {}
    side& operator=(side&&) = default;
    void on_data(std::string_view data) override { owner->carry(number, data); }
    void on_drained() override { owner->drained(number); }
    void on_closed(const error& why) override { owner->closed(number, why); }
    splicer* owner = nullptr;
    int number = 0;
    stream_ptr stream;
    std::uint64_t taken = 0;
    bool paused = false, done = false;
  };

  void carry(int from, std::string_view data) {
    auto& source = sides_[from];
    auto& sink = sides_[1 - from];
    if (over_ || sink.done) return;
    source.taken += data.size();
    sink.stream->write(data);
    if (sink.stream->unsent() > relay_queue_max && !source.paused) {
      source.paused = true;
      source.stream->pause();
    }
  }
  void drained(int which) {
    auto& source = sides_[1 - which];
    if (over_ || !source.paused || source.done) return;
    source.paused = false;
    source.stream->resume();
  }
  void closed(int which, const error& why) {
    if (over_) return;
    auto& here = sides_[which];
    auto& there = sides_[1 - which];
    here.done = true;
    if (there.done) return finish();
    cause_ = why;
    there.stream->close();
    linger_ = shard_.after(linger_limit, [me = shared_from_this()] {
      me->linger_ = 0;
      if (!me->over_) me->finish();
    });
  }
  void finish() {
    over_ = true;
    shard_.cancel(std::exchange(linger_, 0));
    shard_.post([me = shared_from_this()] {
      me->sides_[0].stream.reset();
      me->sides_[1].stream.reset();
      if (auto ended = std::move(me->ended_)) ended(me->cause_);
    });
  }

  shard& shard_;
  callback<void(error)> ended_;
  side sides_[2];
  error cause_{errc::closed, {}};
  timer_id linger_ = 0;
  bool over_ = false;
};

class handle final : public relay {
 public:
  explicit handle(std::shared_ptr<splicer> s) : splicer_(std::move(s)) {}
  ~handle() override { splicer_->forget(); }
  relay_totals totals() const override { return splicer_->totals(); }

 private:
  std::shared_ptr<splicer> splicer_;
};

}  // namespace

std::unique_ptr<relay> splice(shard& on, stream_ptr first, stream_ptr second, callback<void(error)> ended) {
  if (auto* able = dynamic_cast<self_carrying*>(first.get()))
    if (auto cheap = able->carry_with(*second, ended)) return cheap;
  auto both = std::make_shared<splicer>(on, std::move(first), std::move(second), std::move(ended));
  both->begin();
  return std::make_unique<handle>(std::move(both));
}

}  // namespace troupe::net
