#include "actors/kubelet/serving/log_stream.hpp"

#include "actors/apiserver/respond.hpp"
#include "actors/kubelet/logs/rotation.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t unsent_max = 512 * 1024;

class log_stream : public std::enable_shared_from_this<log_stream> {
 public:
  log_stream(const rt::world& in, log_options options, std::string path, ask_ended ended, net::http::exchange_ptr to)
      : world_(in), options_(options), lines_(options), path_(std::move(path)), ended_(std::move(ended)), to_(std::move(to)) {}

  void begin() {
    const auto size = world_.files->size(path_);
    if (!size.ok()) return apiserver::respond_error(*to_, apiserver::bad_request("the container's log cannot be read: " + size.why().note));
    if (options_.tail) {
      const auto from = find_tail(*size, *options_.tail, [this](std::uint64_t at, std::size_t n) { return world_.files->read_at(path_, at, n); });
      if (!from.ok()) return apiserver::respond_error(*to_, apiserver::bad_request("the container's log cannot be read: " + from.why().note));
      at_ = *from;
    }
    reading_ = path_;
    if (const auto all = former(); !all.empty()) passed_ = all.back();
    self_ = shared_from_this();
    to_->on_gone([weak = weak_from_this()] {
      if (auto me = weak.lock()) me->end();
    });
    net::http::header_list head;
    head.add("content-type", "text/plain");
    to_->start(200, std::move(head));
    read_on();
  }

 private:
  void read_on() {
    if (!self_) return;
    // The file that we are in may have been given another name: it is read to its end, then the next one.
    if (options_.follow && reading_ == path_) turn_to_former();
    auto piece = world_.files->read_at(reading_, at_, piece_bytes);
    if (!piece.ok() && !options_.follow) return finish();             // Deleted with its container.
    if ((!piece.ok() || piece->empty()) && reading_ != path_) return turn_on();
    if (!piece.ok() || piece->empty()) return at_end();
    at_ += piece->size();
    last_look_ = false;
    if (const auto shown = lines_.feed(*piece); !shown.empty()) to_->chunk(shown);
    if (lines_.is_full()) return finish();
    if (to_->unsent() > unsent_max) return to_->on_drained(again());
    world_.shard->post(again());
  }

  void at_end() {
    if (!options_.follow || last_look_) return finish();
    // A file that was cut or replaced begins anew.
    if (const auto size = world_.files->size(path_); size.ok() && *size < at_ && later().empty()) at_ = 0;
    ended_([weak = weak_from_this()](bool ended) {
      const auto me = weak.lock();
      if (!me || !me->self_) return;
      me->last_look_ = ended;                     // What was written before it ended may have come after we looked.
      me->world_.shard->after(ended ? duration(0) : log_look_every, me->again());
    });
  }

  std::vector<std::string> former() const {
    const auto slash = path_.rfind('/');
    return former_logs(world_.files->list(path_.substr(0, slash)).value_or({}), path_.substr(slash + 1));
  }
  /// The first of those names that came after what we have passed.
  std::string later() const {
    for (auto& one : former())
      if (one > passed_) return one;
    return {};
  }
  void turn_to_former() {
    auto next = later();
    if (next.empty()) return;
    reading_ = path_.substr(0, path_.rfind('/') + 1) + next;
    passed_ = std::move(next);
  }
  void turn_on() {
    reading_ = path_;
    at_ = 0;
    turn_to_former();
    world_.shard->post(again());
  }

  std::function<void()> again() {
    return [weak = weak_from_this()] {
      if (auto me = weak.lock()) me->read_on();
    };
  }
  void finish() {
    if (!self_) return;
    to_->finish();
    end();
  }
  void end() {
    if (self_) world_.shard->post([gone = std::move(self_)] {});
    self_.reset();
  }

  const rt::world& world_;
  log_options options_;
  log_lines lines_;
  std::string path_;
  ask_ended ended_;
  net::http::exchange_ptr to_;
  std::string reading_, passed_;   // the file that is read; the newest former one that need not be
  std::uint64_t at_ = 0;
  bool last_look_ = false;
  std::shared_ptr<log_stream> self_;
};

}  // namespace

void send_log(const rt::world& in, log_options options, std::string path, ask_ended ended, net::http::exchange_ptr to) {
  std::make_shared<log_stream>(in, options, std::move(path), std::move(ended), std::move(to))->begin();
}

}  // namespace troupe::kubelet
