"use strict";
{
    // The button goes round: as the system has it, light, dark.
    const themes = ["auto", "light", "dark"];
    const button = document.getElementById("theme");
    let at = 0;

    const show = () => {
        if (themes[at] === "auto")
            delete document.documentElement.dataset.theme;
        else
            document.documentElement.dataset.theme = themes[at];
        button.textContent = themes[at];
        button.setAttribute("aria-label", `colours: ${themes[at]}`);
    };

    button.addEventListener("click", () => {
        at = (at + 1) % themes.length;
        show();
    });
    show();
}
