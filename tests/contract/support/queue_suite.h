/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract as functions, one per test. queue_<backend>.c runs each on its own rig, so
 * that every backend links alone. Leases in the suite that have to end are short, those that must
 * not are long.
 */
#ifndef POSTERN_TESTS_QUEUE_SUITE_H
#define POSTERN_TESTS_QUEUE_SUITE_H

#define QUEUE_SUITE_TAKING(X)                                                                      \
    X(an_empty_queue_has_nothing)                                                                  \
    X(a_taken_event_is_whole)                                                                      \
    X(a_taken_event_may_have_no_key)                                                               \
    X(a_replayed_event_counts_from_its_replay)                                                     \
    X(a_body_may_hold_any_bytes_and_none)                                                          \
    X(the_longest_due_come_first_and_no_more_than_wanted)                                          \
    X(each_route_has_its_own_count)                                                                \
    X(a_take_ends_at_its_bytes)                                                                    \
    X(a_lease_excludes_others)                                                                     \
    X(an_event_leased_at_its_commit_is_its_owners)                                                 \
    X(an_ended_lease_hands_over)                                                                   \
    X(the_next_due_is_told)                                                                        \
    X(two_takers_share_ten_thousand)

#define QUEUE_SUITE_ENDING(X)                                                                      \
    X(a_delivered_event_is_over)                                                                   \
    X(an_attempt_leaves_a_row)                                                                     \
    X(a_retry_comes_when_it_is_due)                                                                \
    X(a_dead_event_says_why)                                                                       \
    X(dead_without_an_attempt_counts_none)                                                         \
    X(a_returned_event_is_as_before)                                                               \
    X(attempts_go_on_counting)                                                                     \
    X(an_outcome_told_twice_is_written_once)                                                       \
    X(a_lost_lease_fences_its_outcome)                                                             \
    X(an_outcome_of_another_attempt_is_refused)                                                    \
    X(an_unknown_events_outcome_is_refused)                                                        \
    X(texts_of_any_bytes_and_length_are_kept)                                                      \
    X(two_outcomes_of_one_turn_keep_their_order)                                                   \
    X(many_outcomes_of_one_turn)

#define QUEUE_SUITE_KEEPING(X)                                                                     \
    X(a_renewed_lease_holds)                                                                       \
    X(a_lease_that_is_not_ours_is_lost)                                                            \
    X(an_ended_lease_nobody_took_is_still_ours)                                                    \
    X(events_of_a_lost_route_are_parked_until_it_is_back)                                          \
    X(the_upkeep_leaves_leases_alone)                                                              \
    X(what_waits_too_long_is_dead)                                                                 \
    X(a_replay_begins_the_wait_anew)                                                               \
    X(a_round_is_bounded_and_asks_for_more)                                                        \
    X(the_states_are_counted)                                                                      \
    X(closing_answers_what_is_pending)                                                             \
    X(closing_right_after_opening)

#define QUEUE_SUITE_ORPHANS(X)                                                                     \
    X(an_orphan_is_told_whole)                                                                     \
    X(an_orphan_has_its_short_note)                                                                \
    X(no_orphans_where_there_are_none)                                                             \
    X(what_is_no_orphan_is_not_told)                                                               \
    X(a_leased_event_is_no_orphan)                                                                 \
    X(orphans_of_other_routes_are_not_told)                                                        \
    X(orphans_come_in_pages)                                                                       \
    X(orphans_behind_many_others_are_found)                                                        \
    X(a_look_from_the_start_may_be_repeated)                                                       \
    X(closing_answers_a_look)

#define QUEUE_SUITE(X)                                                                             \
    QUEUE_SUITE_TAKING(X) QUEUE_SUITE_ENDING(X) QUEUE_SUITE_KEEPING(X) QUEUE_SUITE_ORPHANS(X)

/* Each test, as queue_suite_<name>. */
#define QUEUE_SUITE_DECLARE(name) void queue_suite_##name(void);
QUEUE_SUITE(QUEUE_SUITE_DECLARE)

/* The definition of one. */
#define QUEUE_CASE(name) void queue_suite_##name(void)

#endif
