"""Commands that are taken back as they are given, and those that only sound so."""

import pytest

from conch.commands.denial import Denial, denial

DENIED = """
do not call John
Don't call John.
Don\u2019t call John.
dont call john
please don't call Mai
never call the manager
do not summon the cleaning team
don't send maintenance to dock four
stop, don't call Mai
no, do not call Mai
wait, don't call Mai yet
hang up, don't call
you shouldn't call Anna
I do not want to call John
I don't want you to call John
I didn't say call John
I told you not to call John
make sure not to call John
do not under any circumstances call John
please do not ever phone the foreman
don't you dare call John
John should not be called
nobody should call John
call nobody
call off the cleaning team
never mind calling John
not John, don't call him
we don't need maintenance any more
đừng gọi Mai
không gọi Mai
không được gọi Mai
không cần gọi Mai
đừng gọi cho anh Nam
chớ gọi Mai
chưa gọi Mai
thôi đừng gọi nữa
tôi không muốn gọi cho Mai
đừng gọi đội vệ sinh
""".strip().splitlines()

PERHAPS = """
no need to call John
cancel the call to John
cancel the cleaning team
forget about calling John
hold off on calling John
stop calling John
avoid calling the supervisor
refrain from calling John
call Mai, no wait, don't
call John, actually no
call John, never mind
call John. Cancel that.
summon the cleaning team, no, cancel
we no longer need the cleaning team
call no one
don't call John, call Mai
I can not reach John, call Mai
don't send the cleaners, send security
don't forget to call John
why don't you call John
hủy cuộc gọi cho Mai
khoan gọi Mai
gọi Mai, à thôi
""".strip().splitlines()

SOMETHING_ELSE = """
don't stop, call Mai
don't worry, call Mai
don't wait, call Mai
no, call Mai
not John, call Mai
stop, call Mai
the machine does not work, call maintenance
nobody is here, call security
no one is answering, send security to gate two
đừng dừng lại, gọi Mai
không phải Nam, gọi Mai
""".strip().splitlines()

MEANT = """
call John
Please call Maria Lopez.
summon the cleaning crew to aisle five
we need security at the north gate
send somebody to dock no. 5
call Nowak
tell the notary to come
gọi Mai
hãy gọi cho Mai
gọi đội vệ sinh đến lối đi năm
""".strip().splitlines()


@pytest.mark.parametrize("text", DENIED)
def test_a_command_that_is_denied(text: str) -> None:
    assert denial(text) is Denial.COMMAND


@pytest.mark.parametrize("text", PERHAPS)
def test_a_command_beside_which_something_is_denied(text: str) -> None:
    assert denial(text) is Denial.NEAR


@pytest.mark.parametrize("text", SOMETHING_ELSE)
def test_something_else_is_denied_before_the_command(text: str) -> None:
    assert denial(text) is Denial.BEFORE


@pytest.mark.parametrize("text", MEANT)
def test_a_command_without_any_denial(text: str) -> None:
    assert denial(text) is Denial.NONE
