/* examples - arguments with a name: from the action's folder, and saved in the browser. */

import { kept, keep } from './server.js';
import { $, make } from './text.js';

const TYPED = 'typed'; // what can be chosen: this, file:NAME or mine:NAME

export class Examples {
	select = $('example');
	files = new Map(); // name -> text
	typed = ''; // what stood in the editor before an example was chosen
	current = TYPED;

	constructor(editor, say) {
		Object.assign(this, { editor, say });
		this.select.addEventListener('change', () => this.choose(this.select.value));
		editor.area.addEventListener('input', () => this.draw(TYPED));
		$('forget').addEventListener('click', () => {
			const mine = kept(localStorage, 'examples');
			delete mine[this.current.slice(5)];
			keep(localStorage, 'examples', mine);
			this.draw(TYPED);
			this.select.focus();
		});
		$('naming').addEventListener('close', () => {
			const name = $('naming-name').value.trim();
			if ($('naming').returnValue === 'save' && name)
				this.save(name);
		});
	}

	textOf(choice) {
		const name = choice.slice(5);
		return choice.startsWith('file:') ? this.files.get(name) : kept(localStorage, 'examples')[name];
	}

	/* Offer the folder's files. If the editor shows one of them, unedited, it shows the new text. */
	offer(files) {
		const unchanged = this.editor.text === this.textOf(this.current);
		this.files = files;
		const text = this.textOf(this.current);
		if (unchanged && text !== undefined)
			this.editor.text = text;
		this.draw();
	}

	choose(choice) {
		if (this.current === TYPED)
			this.typed = this.editor.text;
		this.editor.text = choice === TYPED ? this.typed : (this.textOf(choice) ?? '');
		this.draw(choice);
	}

	/* Put a text into the editor as if it had been typed; without one, the first example. */
	type(text) {
		if (text === undefined && this.files.size > 0) {
			this.choose(`file:${this.files.keys().next().value}`);
		} else {
			this.editor.text = text ?? '{}';
			this.draw(TYPED);
		}
	}

	/* Ask for a name, and save text under it. */
	name(text) {
		this.saving = text;
		$('naming').returnValue = '';
		$('naming-name').value = this.current.startsWith('mine:') ? this.current.slice(5) : '';
		$('naming').showModal();
	}

	save(name) {
		const saved = keep(localStorage, 'examples', { ...kept(localStorage, 'examples'), [name]: this.saving });
		this.draw(saved && this.editor.text === this.saving ? `mine:${name}` : this.current);
		this.say(saved ? `Saved as ${name}` : 'Not saved: the browser has no room for it');
	}

	draw(chosen = this.current) {
		const group = (label, kind, names) => make('optgroup', { label, hidden: names.length === 0 },
			...names.map((name) => make('option', { value: kind + name }, name)));
		this.select.replaceChildren(make('option', { value: TYPED }, 'as typed'),
			group('In the folder', 'file:', [...this.files.keys()]),
			group('Saved in this browser', 'mine:', Object.keys(kept(localStorage, 'examples')).sort()));
		this.select.value = chosen;
		this.current = this.select.value || (this.select.value = TYPED);
		$('forget').hidden = !this.current.startsWith('mine:');
	}
}
