#pragma once

/*
 * names - rename the library's inner functions, so that an action may use their names itself.
 *
 * A static library has one name space for all. The build includes this file first (-include) in
 * each source of the library. tests/conformance/test_c_sdk.py checks that no name is missing.
 */

#define answer_close      whisk__answer_close
#define answer_end        whisk__answer_end
#define answer_error      whisk__answer_error
#define answer_refuse     whisk__answer_refuse
#define answer_restart    whisk__answer_restart
#define buf_add           whisk__buf_add
#define buf_add_text      whisk__buf_add_text
#define buf_added         whisk__buf_added
#define buf_done          whisk__buf_done
#define buf_drop          whisk__buf_drop
#define buf_read_all      whisk__buf_read_all
#define buf_reset         whisk__buf_reset
#define buf_room          whisk__buf_room
#define fd_open_file      whisk__fd_open_file
#define fd_reopen         whisk__fd_reopen
#define fd_write_all      whisk__fd_write_all
#define file_open         whisk__file_open
#define file_read_text    whisk__file_read_text
#define json_add_error    whisk__json_add_error
#define json_add_member   whisk__json_add_member
#define json_check        whisk__json_check
#define json_check_member whisk__json_check_member
#define json_value_at     whisk__json_value_at
#define env_holds         whisk__env_holds
#define env_text          whisk__env_text
#define text_has_word     whisk__text_has_word
#define json_compact      whisk__json_compact
#define json_equals       whisk__json_equals
#define json_fault_say    whisk__json_fault_say
#define json_member       whisk__json_member
#define json_next_item    whisk__json_next_item
#define json_next_member  whisk__json_next_member
#define json_quote        whisk__json_quote
#define json_top          whisk__json_top
#define json_unescape     whisk__json_unescape
#define out_answer        whisk__out_answer
#define out_flush         whisk__out_flush
#define out_is_ours       whisk__out_is_ours
#define out_open          whisk__out_open
#define out_part          whisk__out_part
#define out_wake          whisk__out_wake
#define parts_close       whisk__parts_close
#define serve_look_ahead  whisk__serve_look_ahead
#define variables_set     whisk__variables_set
#define whisk_done        whisk__done
#define whisk_reset       whisk__reset
#define xasprintf         whisk__xasprintf
#define xcalloc           whisk__xcalloc
#define xmalloc           whisk__xmalloc
#define xrealloc          whisk__xrealloc
#define xstrdup           whisk__xstrdup
#define xstrndup          whisk__xstrndup
