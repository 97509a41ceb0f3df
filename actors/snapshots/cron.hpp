// When to do something again and again, as K3s's flag writes it (robfig/cron's standard parser). Pure: no clock.
//
// Five fields: minute hour day-of-month month day-of-week, each *, N, N-M, a list of them, with /STEP; months and days
// also by their English names (JAN, MON); when both days are restricted, either is enough. Or @hourly, @daily
// (@midnight), @weekly, @monthly, @yearly (@annually), or "@every 90m" (at least a second). Times are UTC.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "basis/clock.hpp"

namespace troupe::snapshots {

class schedule {
 public:
  /// `invalid` says which field cannot be read, or that no day ever fits ("0 0 31 2 *").
  static result<schedule> parse(std::string_view text);
  /// The first time after `from`, in whole minutes (or `from` and the interval of @every).
  wall_time next(wall_time from) const;
  bool is_interval() const noexcept { return every_ > duration::zero(); }

 private:
  std::optional<wall_time> search(wall_time from) const;
  bool fits_day(std::chrono::sys_days day) const;
  std::array<std::uint64_t, 5> fields_{};   ///< A bit per value.
  bool any_month_day_ = false, any_week_day_ = false;
  duration every_{};
};

}  // namespace troupe::snapshots
