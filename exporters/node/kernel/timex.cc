// SPDX-License-Identifier: Apache-2.0
//
// timex: what adjtimex(2) says about the clock. Times are in microseconds or, with STA_NANO, in
// nanoseconds; frequencies are parts per million with a 16 bit fraction.
#include <sys/timex.h>

#include "exporters/node/kernel/kernel.h"

namespace tocsin::exporters {

Status collect_timex(const Node& node, Families* out) {
  ASSIGN_OR_RETURN(const ClockState state, node.services.clock_state());
  constexpr double kPpm16Fraction = 1'000'000.0 * 65'536.0;
  constexpr double kMicroseconds = 1e6;
  const double divisor = state.is_nano ? 1e9 : kMicroseconds;
  const struct {
    std::string_view name, help;
    base::MetricType type;
    double value;
  } rows[] = {
      {"sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
       base::MetricType::kGauge, state.is_synchronized ? 1.0 : 0.0},
      {"offset_seconds", "Time offset in between local system and reference clock.",
       base::MetricType::kGauge, state.offset / divisor},
      {"frequency_adjustment_ratio", "Local clock frequency adjustment.", base::MetricType::kGauge,
       1 + state.frequency / kPpm16Fraction},
      {"maxerror_seconds", "Maximum error in seconds.", base::MetricType::kGauge,
       state.max_error / kMicroseconds},
      {"estimated_error_seconds", "Estimated error in seconds.", base::MetricType::kGauge,
       state.estimated_error / kMicroseconds},
      {"status", "Value of the status array bits.", base::MetricType::kGauge, state.status},
      {"loop_time_constant", "Phase-locked loop time constant.", base::MetricType::kGauge,
       state.constant},
      {"tick_seconds", "Seconds between clock ticks.", base::MetricType::kGauge,
       state.tick / kMicroseconds},
      {"pps_frequency_hertz", "Pulse per second frequency.", base::MetricType::kGauge,
       state.pps_frequency / kPpm16Fraction},
      {"pps_jitter_seconds", "Pulse per second jitter.", base::MetricType::kGauge,
       state.pps_jitter / divisor},
      {"pps_shift_seconds", "Pulse per second interval duration.", base::MetricType::kGauge,
       state.pps_shift},
      {"pps_stability_hertz", "Pulse per second stability, average of recent frequency changes.",
       base::MetricType::kGauge, state.pps_stability / kPpm16Fraction},
      {"pps_jitter_total", "Pulse per second count of jitter limit exceeded events.",
       base::MetricType::kCounter, state.pps_jitter_count},
      {"pps_calibration_total", "Pulse per second count of calibration intervals.",
       base::MetricType::kCounter, state.pps_calibration_count},
      {"pps_error_total", "Pulse per second count of calibration errors.",
       base::MetricType::kCounter, state.pps_error_count},
      {"pps_stability_exceeded_total", "Pulse per second count of stability limit exceeded events.",
       base::MetricType::kCounter, state.pps_stability_count},
      {"tai_offset_seconds", "International Atomic Time (TAI) offset.", base::MetricType::kGauge,
       state.tai},
  };
  for (const auto& row : rows) {
    out->add({fmt::format("node_timex_{}", row.name), row.help, row.type}, {}, row.value);
  }
  return ok();
}

StatusOr<ClockState> read_clock_state() {
  struct timex state{};
  const int status = ::adjtimex(&state);
  if (status < 0) return errno_status(errno, "adjtimex");
  const auto number = [](auto value) { return static_cast<double>(value); };
  return ClockState{.is_synchronized = status != TIME_ERROR,
                    .is_nano = (state.status & STA_NANO) != 0,
                    .offset = number(state.offset),
                    .frequency = number(state.freq),
                    .max_error = number(state.maxerror),
                    .estimated_error = number(state.esterror),
                    .status = number(state.status),
                    .constant = number(state.constant),
                    .tick = number(state.tick),
                    .pps_frequency = number(state.ppsfreq),
                    .pps_jitter = number(state.jitter),
                    .pps_shift = number(state.shift),
                    .pps_stability = number(state.stabil),
                    .pps_jitter_count = number(state.jitcnt),
                    .pps_calibration_count = number(state.calcnt),
                    .pps_error_count = number(state.errcnt),
                    .pps_stability_count = number(state.stbcnt),
                    .tai = number(state.tai)};
}

}  // namespace tocsin::exporters
